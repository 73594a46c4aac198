import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  base,
  native,
  only,
  portsOf,
  receivedAt,
  schemaErrors,
  strayAddresses,
  translated,
} from '../../../test/support/gitlab-hooks.js';
import type { JsonObject } from '../forge.js';
import { gitlab } from './forge.js';

const corpus = new URL('../../../../shared/fixtures/webhooks/', import.meta.url);
const rows = existsSync(corpus)
  ? readFileSync(new URL('manifest.tsv', corpus), 'utf8')
      .split('\n')
      .map((line) => line.split('\t'))
      .filter(([, forge]) => forge === gitlab.id)
  : [];

describe('recorded payloads', () => {
  // They are no part of the project: where they are not at hand, there is nothing to run.
  for (const [file = '', , kind = ''] of rows)
    it(`${file} is translated or ignored with a reason`, async () => {
      const parsed = gitlab.parse('application/json', readFileSync(new URL(file, corpus)));
      if ('invalid' in parsed) throw new Error(parsed.invalid);
      const { payload } = parsed;
      const { web_url: page } = (payload.project ?? {}) as { web_url?: string };
      const { homepage } = (payload.repository ?? {}) as { homepage?: string };
      const at = new URL(page ?? homepage ?? base.web).origin;
      const ports = { ...portsOf({}), base: { web: at, api: `${at}/api/v3` } };
      const eventType = kind.includes('confidential') ? 'Confidential Note Hook' : '';
      const { ignored, events = [] } = await translated({ eventType, payload }, ports);
      if (ignored === undefined) expect(events).not.toHaveLength(0);
      else expect(ignored).toMatch(/no action|confidential|is missing/);
      for (const { name, payload: out } of events) {
        if (!name.startsWith('gitlab.')) expect(schemaErrors(name, out)).toEqual([]);
        expect(strayAddresses(out, ports.base, payload).stray).toEqual([]);
      }
    });
  it('are all there, or none', () => expect([0, 145]).toContain(rows.length));
});

describe('a project that lies nowhere', () => {
  it.each(['push', 'issue.open', 'merge_request.open'])('is ignored with a reason (%s)', async (name) => {
    const delivery = native(name);
    const project = { ...(delivery.payload.project as JsonObject), path_with_namespace: 'web' };
    const told = await translated({ ...delivery, payload: { ...delivery.payload, project } });
    expect(told.ignored).toContain('project.path_with_namespace is missing, or no path of a project.');
  });
});

describe('a fork that lies nowhere', () => {
  it.each([{}, { path_with_namespace: 'web' }, { web_url: 'https://gitlab.example.com/' }])(
    'is none, and its merge request is told (%j)',
    async (source) => {
      const delivery = native('merge_request.open.fork');
      const attributes = { ...(delivery.payload.object_attributes as JsonObject), source };
      const payload = { ...delivery.payload, object_attributes: attributes };
      const { pull_request: pull } = await only({ ...delivery, payload });
      expect(pull).toMatchObject({ head: { repo: null, sha: expect.stringMatching(/^[0-9a-f]{40}$/) } });
    },
  );
});

describe('a number that JSON cannot tell exactly', () => {
  it.each(['id', 'iid'])('is ignored with that reason (%s)', async (key) => {
    const delivery = native('issue.open');
    const attributes = { ...(delivery.payload.object_attributes as JsonObject), [key]: 2 ** 53 };
    const told = await translated({ ...delivery, payload: { ...delivery.payload, object_attributes: attributes } });
    expect(told.ignored).toContain(`object_attributes.${key} is not a whole number below 2^53`);
  });
});

describe('whatever is in a payload', () => {
  it('is read in a time that grows with its length only', async () => {
    const delivery = native('push');
    const [commit] = delivery.payload.commits as JsonObject[];
    const message = `Prices${'\n'.repeat(500_000)}x\n\n`;
    const project = {
      ...(delivery.payload.project as JsonObject),
      web_url: `https://x.example/g${'/'.repeat(500_000)}a`,
    };
    const { commits } = await only({
      ...delivery,
      payload: { ...delivery.payload, project, commits: [{ ...commit, message }] },
    });
    expect(commits).toMatchObject([{ message: message.slice(0, -2) }]);
  });

  it('that was kept or stored by others never breaks it either', async () => {
    const state = fc.oneof(
      fc.constant(undefined),
      fc.dictionary(fc.constantFrom('labels', 'assignees', 'state', 'target'), fc.anything()),
    );
    const change = fc.dictionary(
      fc.constantFrom(
        'label',
        'assignee',
        'reviewer',
        'requested_reviewer',
        'milestone_id',
        'changes',
        'state',
        'before',
      ),
      fc.anything(),
    );
    const delivery = native('merge_request.update.everything');
    const names = ['pull_request', 'pull_request_review'];
    await fc.assert(
      fc.asyncProperty(state, change, fc.constantFrom(...names), async (previous, changed, name) => {
        gitlab.classify('', delivery.payload, { previous });
        const event = { name, action: 'edited', change: changed };
        const { payload, eventType } = delivery;
        expect(await gitlab.payload({ eventType, payload, receivedAt }, event, portsOf({}))).toMatchObject({
          action: 'edited',
        });
      }),
      { numRuns: 500 },
    );
  });
});
