import { beforeEach, describe, expect, it } from '@jest/globals';
import type { GrantedTokens } from '../../forges/oauth.js';
import { createTokenKeeper, type RefreshOutcome, type StoredTokens, type TokenStore } from './keeper.js';

const START = Date.parse('2026-11-26T12:00:00Z');
const MINUTE = 60_000;
const time = { ms: START };
const clock = { now: () => new Date(time.ms) };
const inMs = (ms: number) => new Date(time.ms + ms);

/** One row, and what was done to it. */
function memoryStore(first: Partial<StoredTokens> = {}) {
  const state: { row: StoredTokens | undefined; broken: number; waiting: Promise<unknown> } = {
    row: {
      accessToken: 'a0',
      refreshToken: 'r0',
      expiresAt: inMs(120 * MINUTE),
      grantedAt: inMs(-60 * MINUTE),
      failures: 0,
      ...first,
    },
    broken: 0,
    waiting: Promise.resolve(),
  };
  const change = (previous: StoredTokens, row: Partial<StoredTokens>) => {
    if (state.row?.refreshToken === previous.refreshToken) state.row = { ...previous, ...row };
  };
  const log: string[] = [];
  const store: TokenStore = {
    async read() {
      log.push('read');
      return state.row && { ...state.row };
    },
    async replace(_key, previous, tokens) {
      log.push('replace');
      if (state.broken > 0) {
        state.broken -= 1;
        throw new Error('database away');
      }
      if (state.row?.refreshToken === previous.refreshToken)
        state.row = { ...tokens, grantedAt: clock.now(), failures: 0 };
    },
    end: async (_key, previous, reason) => change(previous, { ended: reason }),
    failed: async (_key, previous, at) => change(previous, { failures: previous.failures + 1, failedAt: at }),
    lock(_key, run) {
      const mine = state.waiting.then(run);
      state.waiting = mine.catch(() => undefined);
      return mine;
    },
  };
  return { state, store, log };
}

const granted = (over: Partial<GrantedTokens> = {}): RefreshOutcome => ({
  kind: 'granted',
  tokens: { accessToken: 'a1', refreshToken: 'r1', expiresAt: inMs(120 * MINUTE), ...over },
});

/** A forge that answers what it is told to, once each, and then the last for ever. */
function forge(...answers: (RefreshOutcome | Error | (() => RefreshOutcome))[]) {
  const asked: string[] = [];
  return {
    asked,
    async refresh(_key: string, refreshToken: string) {
      asked.push(refreshToken);
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer instanceof Error || answer === undefined) throw answer ?? new Error('nothing to answer');
      return typeof answer === 'function' ? answer() : answer;
    },
  };
}

const keeperOf = (store: TokenStore, to: ReturnType<typeof forge>) =>
  createTokenKeeper({ ...store, refresh: to.refresh, clock });

beforeEach(() => {
  time.ms = START;
});

describe('when a token is renewed', () => {
  it.each([
    [5 * MINUTE + 1, 'a0', 0],
    [5 * MINUTE, 'a0', 0],
    [5 * MINUTE - 1, 'a1', 1],
    [1, 'a1', 1],
    [0, 'a1', 1],
    [-60 * MINUTE, 'a1', 1],
  ])('one that lives for %i ms', async (life, expected, refreshes) => {
    const { store } = memoryStore({ expiresAt: inMs(life) });
    const to = forge(granted());
    expect(await keeperOf(store, to).token('k')).toBe(expected);
    expect(to.asked).toHaveLength(refreshes);
  });

  it('one that lives until it is revoked is read once and never renewed', async () => {
    const { store, log } = memoryStore({ expiresAt: undefined, refreshToken: undefined });
    const to = forge(granted());
    const keeper = keeperOf(store, to);
    for (let call = 0; call < 5; call += 1) expect(await keeper.token('k')).toBe('a0');
    expect(log).toEqual(['read']);
    expect(to.asked).toEqual([]);
  });

  it('a cached one crosses the edge too', async () => {
    const { store } = memoryStore({ expiresAt: inMs(5 * MINUTE + 11_000) });
    const to = forge(granted());
    const keeper = keeperOf(store, to);
    expect(await keeper.token('k')).toBe('a0');
    time.ms += 9_000;
    expect(await keeper.token('k')).toBe('a0');
    time.ms += 2_001;
    expect(await keeper.token('k')).toBe('a1');
  });

  it('a change of the row takes effect within ten seconds', async () => {
    const { state, store } = memoryStore();
    const keeper = keeperOf(store, forge(granted()));
    expect(await keeper.token('k')).toBe('a0');
    state.row = state.row && { ...state.row, accessToken: 'other' };
    time.ms += 10_000;
    expect(await keeper.token('k')).toBe('other');
    state.row = undefined;
    keeper.forget('k');
    await expect(keeper.token('k')).rejects.toMatchObject({ details: { removed: true } });
  });
});

describe('one at a time', () => {
  it('a hundred callers share one renewal', async () => {
    const { store } = memoryStore({ expiresAt: inMs(MINUTE) });
    const to = forge(granted());
    const keeper = keeperOf(store, to);
    const tokens = await Promise.all(Array.from({ length: 100 }, () => keeper.token('k')));
    expect(new Set(tokens)).toEqual(new Set(['a1']));
    expect(to.asked).toEqual(['r0']);
  });

  it('two keepers on one store, as two processes, renew once', async () => {
    const { store } = memoryStore({ expiresAt: inMs(MINUTE) });
    const to = forge(granted());
    const [left, right] = [keeperOf(store, to), keeperOf(store, to)];
    expect(await Promise.all([left.token('k'), right.token('k'), right.token('k')])).toEqual(['a1', 'a1', 'a1']);
    expect(to.asked).toEqual(['r0']);
  });

  it('what comes after a renewal starts anew', async () => {
    const { store } = memoryStore({ expiresAt: inMs(MINUTE) });
    const to = forge(granted(), () => granted({ accessToken: 'a2', refreshToken: 'r2' }));
    const keeper = keeperOf(store, to);
    expect(await keeper.token('k')).toBe('a1');
    time.ms += 116 * MINUTE;
    expect(await keeper.token('k')).toBe('a2');
    // Rotation: the new refresh token is the one that is used.
    expect(to.asked).toEqual(['r0', 'r1']);
  });
});

describe('storing before using', () => {
  it('nobody gets a token that is not stored, and a refresh token is never used twice for it', async () => {
    const { state, store } = memoryStore({ expiresAt: inMs(MINUTE) });
    const to = forge(granted());
    const keeper = keeperOf(store, to);
    state.broken = 4;
    await expect(keeper.token('k')).rejects.toThrow('database away');
    expect(state.row?.refreshToken).toBe('r0');
    expect(await keeper.token('k')).toBe('a1');
    expect(state.row?.refreshToken).toBe('r1');
    expect(to.asked).toEqual(['r0']);
  });

  it('tokens that could not be stored do not undo a connection that was made anew', async () => {
    const { state, store } = memoryStore({ expiresAt: inMs(MINUTE) });
    const to = forge(granted());
    const keeper = keeperOf(store, to);
    state.broken = 4;
    await expect(keeper.token('k')).rejects.toThrow('database away');
    state.row = { accessToken: 'new', refreshToken: 'rn', grantedAt: clock.now(), failures: 0 };
    expect(await keeper.token('k')).toBe('new');
    time.ms += MINUTE;
    expect(await keeper.token('k')).toBe('new');
    expect(state.row.refreshToken).toBe('rn');
  });

  it('without a new refresh token the old one is kept', async () => {
    const { state, store } = memoryStore({ expiresAt: inMs(MINUTE), refreshTokenExpiresAt: inMs(999 * MINUTE) });
    const to = forge({ kind: 'granted', tokens: { accessToken: 'a1', expiresAt: inMs(60 * MINUTE) } });
    expect(await keeperOf(store, to).token('k')).toBe('a1');
    expect(state.row).toMatchObject({ refreshToken: 'r0', refreshTokenExpiresAt: inMs(999 * MINUTE) });
  });
});

describe('the end', () => {
  it('a dead grant is told to everybody, and the forge is not asked again', async () => {
    const { state, store } = memoryStore({ expiresAt: inMs(MINUTE) });
    const to = forge({ kind: 'ended', reason: 'Connect again.' });
    const keeper = keeperOf(store, to);
    for (let call = 0; call < 20; call += 1) {
      await expect(keeper.token('k')).rejects.toMatchObject({
        code: 'FORGEWAY_CONNECTION_UNUSABLE',
        message: 'Connect again.',
        details: { reconnect: true },
      });
      time.ms += 10 * MINUTE;
    }
    expect(to.asked).toEqual(['r0']);
    expect(await keeper.refused('k', 'a0')).toBe(false);
    // Somebody connects again.
    state.row = { accessToken: 'b', refreshToken: 'rb', grantedAt: clock.now(), failures: 0 };
    expect(await keeper.token('k')).toBe('b');
  });

  it('somebody who connected again meanwhile is not ended', async () => {
    const { state, store } = memoryStore({ expiresAt: inMs(MINUTE) });
    const to = forge(() => {
      state.row = { accessToken: 'b', refreshToken: 'rb', grantedAt: clock.now(), failures: 0 };
      return { kind: 'ended', reason: 'gone' };
    });
    expect(await keeperOf(store, to).token('k')).toBe('b');
    expect(state.row?.ended).toBeUndefined();
  });

  it('what has no refresh token, or one that has ended, is used to its last moment', async () => {
    for (const over of [{ refreshToken: undefined }, { refreshTokenExpiresAt: inMs(0) }]) {
      time.ms = START;
      const { state, store } = memoryStore({ expiresAt: inMs(MINUTE), ...over });
      const to = forge(granted());
      const keeper = keeperOf(store, to);
      time.ms += MINUTE - 1;
      expect(await keeper.token('k')).toBe('a0');
      time.ms += 1;
      await expect(keeper.token('k')).rejects.toMatchObject({ details: { reconnect: true } });
      expect(state.row?.ended).toMatch(/expired/);
      expect(to.asked).toEqual([]);
    }
  });
});

describe('a forge that does not answer', () => {
  it('the old token is used while it lives, and the forge is asked ever more rarely', async () => {
    const { state, store } = memoryStore({ expiresAt: inMs(4 * MINUTE) });
    const to = forge(new Error('connection reset'));
    const keeper = keeperOf(store, to);
    for (let second = 0; second < 240; second += 1) {
      expect(await keeper.token('k')).toBe('a0');
      time.ms += 1_000;
    }
    // 1, 2, 4, 8, 16, 32 and then 60 s apart.
    expect(to.asked).toHaveLength(9);
    await expect(keeper.token('k')).rejects.toMatchObject({ code: 'FORGEWAY_FORGE_UNREACHABLE' });
    expect(state.row?.ended).toBeUndefined();
    expect(to.asked.length).toBeLessThan(11);
  });

  it('a process that did not fail itself waits too, and success counts from zero', async () => {
    const { state, store } = memoryStore({ expiresAt: inMs(4 * MINUTE) });
    const away = forge({ kind: 'failed', reason: '502' });
    await keeperOf(store, away).token('k');
    const other = forge(granted());
    expect(await keeperOf(store, other).token('k')).toBe('a0');
    expect(other.asked).toEqual([]);
    time.ms += 1_000;
    expect(await keeperOf(store, other).token('k')).toBe('a1');
    expect(state.row).toMatchObject({ failures: 0 });
  });
});

describe('401', () => {
  it('renews once and says that there is another token', async () => {
    const { store } = memoryStore();
    const to = forge(granted());
    const keeper = keeperOf(store, to);
    const told = await Promise.all(Array.from({ length: 50 }, () => keeper.refused('k', 'a0')));
    expect(told.every(Boolean)).toBe(true);
    expect(await keeper.token('k')).toBe('a1');
    expect(to.asked).toEqual(['r0']);
  });

  it.each([
    ['gives tokens and refuses them all', () => granted({ accessToken: `a${time.ms}`, refreshToken: `r${time.ms}` })],
    ['gives none', (): RefreshOutcome => ({ kind: 'failed', reason: '503' })],
  ])('a storm from a forge that %s renews once in thirty seconds', async (_how, answer) => {
    const { store } = memoryStore();
    const to = forge(answer);
    const keepers = [keeperOf(store, to), keeperOf(store, to)];
    for (let tenth = 0; tenth < 10 * 95; tenth += 1) {
      const keeper = keepers[tenth % 2];
      if (keeper !== undefined) await keeper.refused('k', await keeper.token('k'));
      time.ms += 100;
    }
    // At 0, 30, 60 and 90 s.
    expect(to.asked).toHaveLength(4);
  });

  it('an old token that somebody else has replaced is no reason to renew', async () => {
    const { store } = memoryStore();
    const to = forge(granted());
    expect(await keeperOf(store, to).refused('k', 'older')).toBe(true);
    expect(to.asked).toEqual([]);
  });

  it('tokens that live less than five minutes are renewed no more often either', async () => {
    const { store } = memoryStore({ expiresAt: inMs(MINUTE) });
    const to = forge(() =>
      granted({ accessToken: `a${time.ms}`, refreshToken: `r${time.ms}`, expiresAt: inMs(2 * MINUTE) }),
    );
    const keeper = keeperOf(store, to);
    for (let second = 0; second < 61; second += 1) {
      await keeper.token('k');
      time.ms += 1_000;
    }
    expect(to.asked).toHaveLength(3);
  });
});
