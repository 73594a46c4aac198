/**
 * What API servers answer, written down (test/support/kubernetes-api/transcripts). By `npm run test:kubernetes` the server that KUBECONFIG
 * points at is asked the same, and must mean the same: its words may be others. Without it the API in memory is asked, and must say it in
 * the same words, but where it is said below that it does not. `FORGEWAY_WRITE_TRANSCRIPTS=1 npm run test:kubernetes` writes down what a server of another version says.
 */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
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
type Written = Record<string, { said: Fields; meant: Fields } | undefined>;
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

/** What the API in memory says in words of its own, and means as the others do. */
const OTHER_WORDS: readonly string[] = [
  // The rule that was broken, and the place in a list.
  'a namespace with a name that cannot be one',
  'a label that cannot be one',
  'what would be refused',
  'a key of a Secret that cannot be one',
  'a request that is more than its limit',
  'a network within none',
  'a page that goes on from nowhere',
  // Newer servers name more fields that can.
  'another service of a StatefulSet',
  // Its controller has told already what is left.
  'the removal of a namespace that is on its way out',
];

const isWriting = process.env.FORGEWAY_WRITE_TRANSCRIPTS === '1' && realKubeconfig !== undefined;

describe('what an API server answers', () => {
  const all: Record<string, { said: Fields; meant: Fields }> = {};
  it.each(scenarios)(
    'is as it was written down, of $asked',
    async ({ asked, ask }) => {
      const answer = await ask(call, namespace);
      const now = { said: told(answer, namespace), meant: meaning(answer) };
      // As it is written down: what is undefined is not there.
      all[asked] = JSON.parse(JSON.stringify(now)) as typeof now;
      if (isWriting) return;
      expect(files).not.toEqual([]);
      for (const file of files) {
        const known = read(file)[asked];
        expect({ file, meant: all[asked]?.meant }).toEqual({ file, meant: known?.meant });
        if (realKubeconfig !== undefined) continue;
        if (OTHER_WORDS.includes(asked)) expect(all[asked]?.said).not.toEqual(known?.said);
        else expect({ file, said: all[asked]?.said }).toEqual({ file, said: known?.said });
      }
    },
    120_000,
  );

  it('is asked of every version in the same way', () => {
    if (isWriting) writeFileSync(join(FOLDER, `${version}.json`), `${JSON.stringify(all, null, 2)}\n`);
    for (const file of files) expect(Object.keys(read(file))).toEqual(scenarios.map(({ asked }) => asked));
    expect(scenarios.map(({ asked }) => asked)).toEqual(expect.arrayContaining([...OTHER_WORDS]));
  });
});
