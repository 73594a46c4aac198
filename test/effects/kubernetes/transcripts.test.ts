/**
 * What API servers answer, written down (test/support/kubernetes-api/transcripts). By `npm run test:kubernetes` the server that KUBECONFIG
 * points at is asked the same, and must mean the same: its words may be others. Without it the API in memory is asked, and must say it in
 * the same words. `FORGEWAY_WRITE_TRANSCRIPTS=1 npm run test:kubernetes` writes down what a server of another version says.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { failureOfAnswer } from '../../../src/effects/kubernetes/failures.js';
import { writeKubeconfig } from '../../preview/kubernetes/rig.js';
import { realKubeconfig } from '../../support/kubernetes-api/chosen.js';
import type { Fields } from '../../support/kubernetes-api/objects.js';
import { type Answer, type Call, scenarios } from '../../support/kubernetes-api/scenarios.js';
import { startKubernetesApi } from '../../support/kubernetes-api/server.js';
import { callsOf, told } from '../../support/kubernetes-api/telling.js';

const FOLDER = join(import.meta.dirname, '../../support/kubernetes-api/transcripts');
type Written = Record<string, Fields>;
const read = (file: string) => JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Written;
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

const namespace = `forgeway-test-${randomUUID().slice(0, 8)}`;
let call: Call;
let version: string;
const ends: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  if (realKubeconfig !== undefined) call = await callsOf(realKubeconfig);
  else {
    const api = await startKubernetesApi();
    const mayNothing = await startKubernetesApi({ rules: [] });
    const paths = await Promise.all([api, mayNothing].map(({ kubeconfig }) => writeKubeconfig(kubeconfig)));
    call = await callsOf(paths[0] ?? '', paths[1]);
    ends.push(...[api, mayNothing].map((one) => () => one.close()));
    ends.push(...paths.map((path) => () => rm(dirname(path), { recursive: true })));
  }
  version = String((await call('GET', '/version')).body.gitVersion);
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
  await call('POST', '/api/v1/namespaces', { body });
});
afterAll(async () => {
  await call('DELETE', `/api/v1/namespaces/${namespace}`);
  for (const end of ends) await end();
});

/** What the port makes of it: the words may differ from version to version, this not. */
function meaning({ status, body }: Answer): Fields {
  const { reason, details } = (body.kind === 'Status' ? body : ((body.object ?? {}) as Fields)) as {
    reason?: string;
    details?: Fields;
  };
  const causes = (details?.causes as Fields[] | undefined)?.map((cause) => cause.reason);
  if (status < 400) return { status, reason, causes };
  const answer = { status, headers: {}, body: JSON.stringify(body) };
  const { code, details: understood } = failureOfAnswer('test', 'ask', answer);
  return { status, reason, causes, code, holders: understood.holders };
}

describe('what an API server answers', () => {
  const said: Written = {};
  const meant: Written = {};
  it.each(scenarios)(
    'is written down of $asked',
    async ({ asked, ask }) => {
      const answer = await ask(call, namespace);
      said[asked] = told(answer, namespace);
      meant[asked] = meaning(answer);
      if (process.env.FORGEWAY_WRITE_TRANSCRIPTS === '1' && realKubeconfig !== undefined) return;
      expect(files).not.toEqual([]);
      for (const file of files) {
        const known = read(file)[asked];
        if (realKubeconfig === undefined)
          expect({ file, ...said[asked] }).toEqual({ file, ...(known?.said as Fields) });
        else expect({ file, ...meant[asked] }).toEqual({ file, ...(known?.meant as Fields) });
      }
    },
    120_000,
  );

  it('is asked of every version in the same way', () => {
    if (process.env.FORGEWAY_WRITE_TRANSCRIPTS === '1' && realKubeconfig !== undefined) {
      const all = Object.fromEntries(scenarios.map(({ asked }) => [asked, { said: said[asked], meant: meant[asked] }]));
      writeFileSync(join(FOLDER, `${version}.json`), `${JSON.stringify(all, null, 2)}\n`);
    }
    for (const file of files) expect(Object.keys(read(file))).toEqual(scenarios.map(({ asked }) => asked));
    expect(existsSync(FOLDER)).toBe(true);
  });
});
