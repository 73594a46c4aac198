import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Condition, nextStep, type Phase, type PlaceView, type PreviewView } from './state.js';

const NEW = 'b'.repeat(40);
const OLD = 'a'.repeat(40);

const view = (changes: Partial<PreviewView> = {}): PreviewView => ({
  desired: 'running',
  sha: NEW,
  permitted: true,
  apart: false,
  serving: null,
  candidate: null,
  retired: 0,
  ...changes,
});
const place = (sha: string, condition: Condition, current = true): PlaceView => ({ sha, condition, current });

const CONDITIONS: readonly Condition[] = ['unfinished', 'failed', 'built', 'crashed', 'started', 'ready'];
const settled = (phase: Phase) => ({ kind: 'settled', phase });

describe('nextStep, row by row', () => {
  const rows: [string, Partial<PreviewView>, unknown][] = [
    ['nothing yet', {}, { kind: 'build' }],
    ['candidate built', { candidate: place(NEW, 'built') }, { kind: 'start', place: 'candidate' }],
    ['candidate started', { candidate: place(NEW, 'started') }, { kind: 'await', place: 'candidate' }],
    ['candidate ready', { candidate: place(NEW, 'ready') }, { kind: 'switch' }],
    [
      'candidate ready, old one serving',
      { serving: place(OLD, 'ready'), candidate: place(NEW, 'ready') },
      { kind: 'switch' },
    ],
    ['candidate failed', { candidate: place(NEW, 'failed') }, settled('failed')],
    ['candidate failed for an older wish', { candidate: place(NEW, 'failed', false) }, { kind: 'discard-candidate' }],
    ['build interrupted', { candidate: place(NEW, 'unfinished') }, { kind: 'discard-candidate' }],
    ['candidate of another commit', { candidate: place(OLD, 'ready') }, { kind: 'discard-candidate' }],
    ['serves the commit', { serving: place(NEW, 'ready') }, settled('ready')],
    [
      'serves the commit, useless candidate',
      { serving: place(NEW, 'ready'), candidate: place(OLD, 'ready') },
      { kind: 'discard-candidate' },
    ],
    ['serves an older commit', { serving: place(OLD, 'ready') }, { kind: 'build' }],
    [
      'serves what it may share nothing with',
      { serving: place(OLD, 'ready'), apart: true },
      { kind: 'remove-serving' },
    ],
    [
      'serves what it may share nothing with, candidate begun',
      { serving: place(OLD, 'built'), candidate: place(NEW, 'built'), apart: true },
      { kind: 'remove-serving' },
    ],
    ['serves the commit, apart from nothing', { serving: place(NEW, 'ready'), apart: true }, settled('ready')],
    [
      'not permitted, the older one of another trust serves on',
      { permitted: false, serving: place(OLD, 'ready'), apart: true },
      settled('waiting'),
    ],
    ['stopped with its worker', { serving: place(NEW, 'built') }, { kind: 'start', place: 'serving' }],
    ['crashed', { serving: place(NEW, 'crashed') }, { kind: 'start', place: 'serving' }],
    ['crashed too often', { serving: place(NEW, 'failed') }, settled('failed')],
    ['failed before, wished again', { serving: place(NEW, 'failed', false) }, { kind: 'build' }],
    ['files removed behind our back', { serving: place(NEW, 'unfinished') }, { kind: 'build' }],
    [
      'failed beside a stopped older one',
      { serving: place(OLD, 'built'), candidate: place(NEW, 'failed') },
      { kind: 'start', place: 'serving' },
    ],
    ['not permitted', { permitted: false }, settled('waiting')],
    ['not permitted, candidate', { permitted: false, candidate: place(NEW, 'built') }, { kind: 'discard-candidate' }],
    ['not permitted, older one serving', { permitted: false, serving: place(OLD, 'ready') }, settled('waiting')],
    ['asleep', { desired: 'asleep', serving: place(NEW, 'ready') }, { kind: 'stop', place: 'serving' }],
    ['asleep while building', { desired: 'asleep', candidate: place(NEW, 'built') }, { kind: 'discard-candidate' }],
    ['asleep and stopped', { desired: 'asleep', serving: place(NEW, 'built') }, settled('sleeping')],
    ['absent', { desired: 'absent', serving: place(NEW, 'ready') }, { kind: 'remove-serving' }],
    ['absent, candidate', { desired: 'absent', candidate: place(NEW, 'started') }, { kind: 'discard-candidate' }],
    ['absent and nothing left', { desired: 'absent' }, settled('gone')],
    ['absent wins over permission', { desired: 'absent', permitted: false }, settled('gone')],
    ['retired', { retired: 1, serving: place(NEW, 'ready') }, { kind: 'retire' }],
  ];
  it.each(rows)('%s', (_name, changes, expected) => {
    expect(nextStep(view(changes))).toEqual(expected);
  });
});

/** A world in which every step can go well or badly, driven by `luck`. */
function perform(state: PreviewView, luck: () => number): PreviewView {
  const step = nextStep(state);
  const after = (condition: Condition, good: Condition): Condition =>
    luck() < 0.5 ? good : condition === 'built' || condition === 'crashed' ? 'started' : 'failed';
  switch (step.kind) {
    case 'retire':
      return { ...state, retired: 0 };
    case 'discard-candidate':
      return { ...state, candidate: null };
    case 'remove-serving':
      return { ...state, serving: null, apart: false };
    case 'build':
      return { ...state, candidate: place(state.sha, luck() < 0.6 ? 'built' : 'failed') };
    case 'switch':
      return {
        ...state,
        apart: false,
        serving: state.candidate,
        candidate: null,
        retired: state.serving === null ? 0 : 1,
      };
    case 'start':
    case 'await': {
      const current = state[step.place];
      if (current === null) throw new Error('a step for a place that is empty');
      const good: Condition = step.kind === 'start' ? 'started' : 'ready';
      return { ...state, [step.place]: { ...current, condition: after(current.condition, good), current: true } };
    }
    case 'stop':
      return { ...state, serving: state.serving && { ...state.serving, condition: 'built' } };
    case 'settled':
      return state;
  }
}

const anyPlace = fc.option(
  fc.record({ sha: fc.constantFrom(OLD, NEW), condition: fc.constantFrom(...CONDITIONS), current: fc.boolean() }),
);
const anyView: fc.Arbitrary<PreviewView> = fc.record({
  desired: fc.constantFrom('running' as const, 'asleep' as const, 'absent' as const),
  sha: fc.constantFrom(OLD, NEW),
  permitted: fc.boolean(),
  apart: fc.boolean(),
  serving: anyPlace,
  candidate: anyPlace,
  retired: fc.integer({ min: 0, max: 3 }),
});

function converge(start: PreviewView, luck: () => number): { end: PreviewView; phase: Phase } {
  let state = start;
  for (let steps = 0; steps < 20; steps += 1) {
    const step = nextStep(state);
    if (step.kind === 'settled') return { end: state, phase: step.phase };
    state = perform(state, luck);
  }
  throw new Error(`does not settle: ${JSON.stringify(start)}`);
}

describe('nextStep, from every state', () => {
  it('settles, whatever goes wrong on the way', () => {
    fc.assert(
      fc.property(anyView, fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (start, stream) => {
        const { end, phase } = converge(start, () => stream.next().value ?? 0);
        if (phase === 'ready') expect(end.serving).toMatchObject({ sha: start.sha, condition: 'ready' });
        if (phase === 'waiting') expect(start.permitted).toBe(false);
      }),
      { numRuns: 3_000 },
    );
  });

  it('leaves nothing when the preview is to be absent', () => {
    fc.assert(
      fc.property(anyView, (start) => {
        const { end, phase } = converge({ ...start, desired: 'absent' }, () => 0);
        expect(phase).toBe('gone');
        expect(end).toMatchObject({ serving: null, candidate: null, retired: 0 });
      }),
      { numRuns: 2_000 },
    );
  });

  it('never builds, starts or shows a commit that is not permitted', () => {
    fc.assert(
      fc.property(anyView, (start) => {
        const state = { ...start, permitted: false };
        const step = nextStep(state);
        expect(step.kind).not.toBe('build');
        expect(step.kind).not.toBe('switch');
        if ('place' in step) expect(step.place).toBe('serving');
      }),
      { numRuns: 2_000 },
    );
  });

  it('brings nothing up beside what it may share nothing with', () => {
    fc.assert(
      fc.property(anyView, (start) => {
        const { kind } = nextStep({ ...start, apart: true });
        if (start.serving === null) return;
        expect(['build', 'switch']).not.toContain(kind);
        const step = nextStep({ ...start, apart: true });
        if ('place' in step) expect(step.place).toBe('serving');
      }),
      { numRuns: 2_000 },
    );
  });

  it('is ready in the end when everything goes well', () => {
    fc.assert(
      fc.property(anyView, (start) => {
        const good = { ...start, desired: 'running' as const, permitted: true };
        const { phase } = converge(good, () => 0);
        expect(['ready', 'failed']).toContain(phase);
        if (phase === 'failed') expect([good.serving?.condition, good.candidate?.condition]).toContain('failed');
      }),
      { numRuns: 2_000 },
    );
  });
});
