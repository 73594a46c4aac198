/**
 * Replays what the real command line of Terraform asked, so that it is served also where no Terraform is. The answers must have the
 * fields that its client reads, and of the kinds that it can decode; see test/e2e/terraform.test.ts for the binary itself.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { LightMyRequestResponse } from 'fastify';
import { pack } from 'tar-stream';
import { type ApiRig, startApiRig } from '../api/api-rig.js';
import { APPLY_TEXT, PLAN_TEXT, type StandIn, startStandIn, stateFile } from './stand-in-executor.js';

interface Step {
  method: string;
  path: string;
  status: number;
  body?: string;
}

const STEP = /^([A-Z]+) (\S+) -> (\d{3})$/;

/** By command, in order. */
function readTranscript(file: string): [command: string, steps: Step[]][] {
  const all: [string, Step[]][] = [];
  for (const line of readFileSync(`test/terraform/wire/${file}`, 'utf8').split('\n')) {
    const steps = all.at(-1)?.[1];
    if (line.startsWith('# ')) all.push([line.slice(2), []]);
    const [, method, path, status] = STEP.exec(line) ?? [];
    if (method !== undefined && path !== undefined) steps?.push({ method, path, status: Number(status) });
    const last = steps?.at(-1);
    if (line.startsWith('  ') && last !== undefined) last.body = line.trim();
  }
  return all;
}

/** What the client decodes of each type, and stops at when it is of another kind. */
const reads: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'entitlement-sets': { operations: 'boolean', 'state-storage': 'boolean', teams: 'boolean' },
  workspaces: {
    name: 'string',
    'execution-mode': 'string',
    operations: 'boolean',
    locked: 'boolean',
    'auto-apply': 'boolean',
    'terraform-version': 'string',
    'working-directory': 'string',
    'structured-run-output-enabled': 'boolean',
    'allow-destroy-plan': 'boolean',
    permissions: 'object',
    'created-at': 'string',
    'trigger-prefixes': 'object',
    'tag-names': 'object',
  },
  'configuration-versions': {
    status: 'string',
    speculative: 'boolean',
    'auto-queue-runs': 'boolean',
    source: 'string',
  },
  runs: {
    status: 'string',
    'has-changes': 'boolean',
    'is-destroy': 'boolean',
    'plan-only': 'boolean',
    'save-plan': 'boolean',
    'created-at': 'string',
    'position-in-queue': 'number',
    actions: 'object',
    permissions: 'object',
    'status-timestamps': 'object',
  },
  plans: { status: 'string', 'has-changes': 'boolean', 'log-read-url': 'string' },
  applies: { status: 'string', 'log-read-url': 'string' },
  'state-versions': { serial: 'number', 'created-at': 'string', status: 'string', 'resources-processed': 'boolean' },
  'state-version-outputs': { name: 'string', sensitive: 'boolean', type: 'string' },
};

interface Resource {
  id: string;
  type: string;
  attributes: Record<string, unknown>;
  relationships?: Record<string, { data: { id: string } | null }>;
}

/** Wrong kinds in one resource, in words. */
const unreadable = ({ type, attributes }: Resource): string[] =>
  Object.entries(reads[type] ?? { 'a type that is known': 'string' }).flatMap(([name, kind]) =>
    typeof attributes[name] === kind && attributes[name] !== null ? [] : [`${type}.${name} is no ${kind}`],
  );

const NAMES: Readonly<Record<string, string>> = {
  workspaces: 'workspace',
  'configuration-versions': 'configuration',
  runs: 'run',
  plans: 'plan',
  applies: 'apply',
  'state-versions': 'state',
};
const URLS: Readonly<Record<string, string>> = {
  'upload-url': 'upload',
  'log-read-url': 'log',
  'hosted-state-download-url': 'state-download',
  'hosted-state-upload-url': 'state-upload',
  'hosted-json-state-upload-url': 'json-state-upload',
};
const BUSY = new Set(['pending', 'fetching', 'planning', 'confirmed', 'applying', 'queued', 'running']);

const PUBLIC = 'https://forgeway.example';

describe('the command line of Terraform', () => {
  let rig: ApiRig;
  let standIn: StandIn;
  let token: string;
  let archive: Buffer;
  /** What names in braces stand for now. */
  const known = new Map<string, string>();
  const logs: string[] = [];

  beforeAll(async () => {
    rig = await startApiRig();
    token = (await rig.tokenOf({ kind: 'user', userId: 'admin' })).token;
    standIn = startStandIn(rig.db, rig.mine.organization);
    const tar = pack();
    tar.entry({ name: 'main.tf' }, 'resource "terraform_data" "one" {}');
    tar.finalize();
    const parts: Buffer[] = [];
    for await (const part of tar) parts.push(part as Buffer);
    archive = gzipSync(Buffer.concat(parts));
  });
  afterAll(async () => {
    await standIn.stop();
    await rig.close();
  });

  const fill = (text: string): string =>
    text.replace(/\{([a-z0-9-]+)\}/g, (whole, name: string) => {
      const value = known.get(name);
      if (value === undefined) throw new Error(`nothing has said yet what ${whole} is`);
      return value;
    });

  function learn(resource: Resource): void {
    const name = NAMES[resource.type];
    if (name !== undefined) known.set(name, resource.id);
    for (const [attribute, of] of Object.entries(URLS)) {
      const url = resource.attributes[attribute];
      if (typeof url === 'string') known.set(of, url.replace(PUBLIC, ''));
    }
    for (const phase of ['plan', 'apply']) {
      const id = resource.relationships?.[phase]?.data?.id;
      if (id !== undefined) known.set(phase, id);
    }
  }

  /** What the client would send now. */
  function bodyOf(step: Step): { payload?: Buffer | string; type?: string } {
    if (step.path === '{upload}') return { payload: archive, type: 'application/octet-stream' };
    const state = stateFile(Number(known.get('serial') ?? 0));
    if (step.path === '{state-upload}') return { payload: state, type: 'application/octet-stream' };
    if (step.path === '{json-state-upload}') return { payload: '{}', type: 'application/octet-stream' };
    if (step.body === undefined) return step.method === 'POST' ? { type: 'application/vnd.api+json' } : {};
    if (step.path.endsWith('/state-versions')) {
      known.set('md5', createHash('md5').update(state).digest('hex'));
      known.set('lineage', (JSON.parse(state.toString()) as { lineage: string }).lineage);
      known.set('json-state-outputs', Buffer.from('{}').toString('base64'));
    }
    const text = fill(step.body).replace(/"serial": "(\d+)"/, '"serial": $1');
    return { payload: text, type: 'application/vnd.api+json' };
  }

  async function send(step: Step): Promise<LightMyRequestResponse> {
    const url = fill(step.path);
    const { payload, type } = bodyOf(step);
    // Uploads and logs go without a token: their addresses are signed.
    const isSigned = /^\{(?:upload|log|state-upload|json-state-upload)\}/.test(step.path);
    return rig.app.inject({
      method: step.method as 'GET',
      url,
      headers: {
        accept: 'application/vnd.api+json',
        ...(!isSigned && { authorization: `Bearer ${token}` }),
        ...(type !== undefined && { 'content-type': type }),
      },
      ...(payload !== undefined && { payload }),
    });
  }

  /** As the client does: again until something that is under way has ended. */
  async function perform(step: Step): Promise<LightMyRequestResponse> {
    for (;;) {
      const answer = await send(step);
      if (answer.statusCode !== step.status) return answer;
      const isLog = step.path.startsWith('{log}');
      if (isLog && answer.body === '' && !step.path.endsWith('{read}')) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        continue;
      }
      if (isLog) known.set('read', String(answer.rawPayload.length));
      if (isLog) logs.push(answer.body);
      if (step.method !== 'GET' || !String(answer.headers['content-type']).includes('vnd.api+json')) return answer;
      const { data } = answer.json<{ data: Resource | Resource[] }>();
      const isPolled = !Array.isArray(data) && /\/(?:runs|plans|applies)\/\{\w+\}$/.test(step.path);
      if (!isPolled || !BUSY.has(String(data.attributes.status))) return answer;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  const transcript = readTranscript('cloud-block.txt');
  it('is recorded for eight commands', () => {
    expect(transcript.map(([command, steps]) => [command, steps.length > 3])).toHaveLength(8);
  });

  it.each(transcript)('%s', async (_, steps) => {
    logs.length = 0;
    for (const step of steps) {
      const answer = await perform(step);
      const said = `${step.method} ${step.path} -> ${answer.statusCode} ${answer.statusCode === step.status ? '' : answer.body}`;
      expect(said.trim()).toBe(`${step.method} ${step.path} -> ${step.status}`);
      expect(answer.headers['tfp-api-version']).toBe('2.5');
      if (step.status >= 300 || !String(answer.headers['content-type']).includes('vnd.api+json')) continue;
      const { data, included = [] } = answer.json<{ data: Resource | Resource[]; included?: Resource[] }>();
      const all = [...(Array.isArray(data) ? data : [data]), ...included];
      expect([said, all.flatMap(unreadable)]).toEqual([said, []]);
      if (!Array.isArray(data)) learn(data);
      if (!Array.isArray(data) && data.type === 'state-versions' && step.method === 'GET')
        known.set('serial', String(Number(data.attributes.serial) + 1));
    }
    if (steps.some(({ path }) => path.startsWith('{log}'))) {
      const whole = logs.join('');
      expect(whole.startsWith('\x02')).toBe(true);
      expect(whole.endsWith('\x03')).toBe(true);
      expect([PLAN_TEXT, APPLY_TEXT].some((text) => whole.includes(text))).toBe(true);
    }
  });
});
