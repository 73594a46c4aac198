import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BareRepository } from './bare-repository.js';
import { Completion } from './completion.js';
import type { Emulator } from './emulator.js';

const REF = 'refs/pull/1/head';
/** As the emulator shows it for ever: with the head it was opened with. */
const pull = (sha: string) => ({ number: 1, head: { sha }, base: { sha }, updated_at: '2026-01-01T00:00:00Z' });

/** Somebody pushes right after the ref was looked at for the first time. */
class Pushed extends BareRepository {
  pushed: string | undefined;

  override async resolve(ref: string): Promise<string | undefined> {
    const seen = await super.resolve(ref);
    const { pushed } = this;
    this.pushed = undefined;
    if (pushed !== undefined) await this.setRef(ref, pushed);
    return seen;
  }
}

describe('a pull request that is read while its branch is pushed to', () => {
  let directory: string;
  let repository: Pushed;
  let completion: Completion;
  let opened: string;
  let newer: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'completion-'));
    repository = new Pushed(join(directory, 'web.git'));
    await repository.create();
    const tree = (await repository.git(['mktree'], '')).toString().trim();
    const commit = async (message: string, ...parents: string[]) => {
      const person = ['-c', 'user.name=alice', '-c', 'user.email=alice@example.com'];
      const text = await repository.git([...person, 'commit-tree', tree, ...parents, '-m', message]);
      return text.toString().trim();
    };
    opened = await commit('opened');
    newer = await commit('newer', '-p', opened);
    const emulator = { origin: 'http://localhost:1', administratorToken: 'token' } as Emulator;
    completion = new Completion(emulator, repository, 'acme/web', 'http://localhost:2');
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it('keeps the head of the push', async () => {
    await repository.setRef(REF, opened);
    repository.pushed = newer;
    await completion.complete(pull(opened));
    expect(await repository.resolve(REF)).toBe(newer);
  });

  it('shows the head of the push when nobody had read it before', async () => {
    await repository.git(['update-ref', '-d', REF]);
    repository.pushed = newer;
    const read = pull(opened);
    await completion.complete(read);
    expect(read.head.sha).toBe(newer);
    expect(await repository.resolve(REF)).toBe(newer);
  });

  it('makes the head when there is none, and keeps it', async () => {
    await repository.git(['update-ref', '-d', REF]);
    const read = pull(opened);
    await completion.complete(read);
    expect(read.head.sha).toBe(opened);
    expect(await repository.resolve(REF)).toBe(opened);
  });
});
