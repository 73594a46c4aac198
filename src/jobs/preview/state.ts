/**
 * The preview's state machine: from what is desired and what is observed, the one next step. It is pure; every step is
 * idempotent, so that a worker which died in the middle of one is simply followed by another that looks again.
 *
 * A preview has two places. `serving` is what visitors see; `candidate` is the next commit being built beside it, which
 * takes its place once it answers. What was replaced is `retired` and then removed.
 */

/**
 * `unfinished`: its build was begun and has no result. `built`: not running, can be started. `crashed`: ran, was ready,
 * and ended by itself. `started`: runs and does not answer yet. `ready`: runs and answers. `failed`: will not run.
 */
export type Condition = 'unfinished' | 'failed' | 'built' | 'crashed' | 'started' | 'ready';

export interface PlaceView {
  sha: string;
  condition: Condition;
  /** False when it was made for an older wish: then a failure is tried again. */
  current: boolean;
}

export interface PreviewView {
  desired: 'running' | 'asleep' | 'absent';
  /** The commit that is wanted. */
  sha: string;
  /** Whether that commit may run. */
  permitted: boolean;
  /** What serves shares nothing with the wanted commit: one of them is a stranger's, and they would be neighbours (ADR 46). */
  apart: boolean;
  serving: PlaceView | null;
  candidate: PlaceView | null;
  /** How many replaced ones are still to be removed. */
  retired: number;
}

/** `starting`: it is built, and rolled out. `removing`: what was made of it takes its time to go. */
export type Phase = 'waiting' | 'building' | 'starting' | 'ready' | 'failed' | 'sleeping' | 'removing' | 'gone';

export type Step =
  | { kind: 'retire' }
  | { kind: 'discard-candidate' }
  | { kind: 'remove-serving' }
  | { kind: 'build' }
  | { kind: 'start' | 'await' | 'stop'; place: 'serving' | 'candidate' }
  | { kind: 'switch' }
  /** Nothing more to do; the phase is what is told to people. */
  | { kind: 'settled'; phase: Phase };

const settled = (phase: Phase): Step => ({ kind: 'settled', phase });

function towardsGone(view: PreviewView): Step {
  if (view.candidate !== null) return { kind: 'discard-candidate' };
  if (view.serving !== null) return { kind: 'remove-serving' };
  return settled('gone');
}

function towardsSleep(view: PreviewView): Step {
  if (view.candidate !== null) return { kind: 'discard-candidate' };
  const condition = view.serving?.condition;
  if (condition === 'started' || condition === 'ready') return { kind: 'stop', place: 'serving' };
  return settled('sleeping');
}

/** The wanted commit cannot be shown: the older one that visitors see is kept alive, then `phase` is all there is. */
function withOlder(view: PreviewView, phase: Phase): Step {
  switch (view.serving?.condition) {
    case 'built':
    case 'crashed':
      return { kind: 'start', place: 'serving' };
    case 'started':
      return { kind: 'await', place: 'serving' };
    default:
      return settled(phase);
  }
}

/** The wanted commit is already in the place that visitors see. */
function keepServing(view: PreviewView, serving: PlaceView): Step {
  if (view.candidate !== null) return { kind: 'discard-candidate' };
  switch (serving.condition) {
    case 'ready':
      return settled('ready');
    case 'started':
      return { kind: 'await', place: 'serving' };
    case 'failed':
      return settled('failed');
    default:
      return { kind: 'start', place: 'serving' };
  }
}

function bringUpCandidate(view: PreviewView, candidate: PlaceView): Step {
  switch (candidate.condition) {
    case 'unfinished':
    // What ended by itself before it took its place is built anew rather than trusted.
    case 'crashed':
      return { kind: 'discard-candidate' };
    case 'built':
      return { kind: 'start', place: 'candidate' };
    case 'started':
      return { kind: 'await', place: 'candidate' };
    case 'ready':
      return { kind: 'switch' };
    case 'failed':
      return candidate.current ? withOlder(view, 'failed') : { kind: 'discard-candidate' };
  }
}

/** The next step; `settled` when the observed state is the desired one, or as near as it can be. */
export function nextStep(view: PreviewView): Step {
  if (view.retired > 0) return { kind: 'retire' };
  if (view.desired === 'absent') return towardsGone(view);
  if (view.desired === 'asleep') return towardsSleep(view);
  // The last commit that was permitted goes on serving while another one waits.
  if (!view.permitted) return view.candidate === null ? withOlder(view, 'waiting') : { kind: 'discard-candidate' };
  const { serving, candidate, sha } = view;
  const keeps = serving?.sha === sha && serving.condition !== 'unfinished';
  if (keeps && (serving.condition !== 'failed' || serving.current)) return keepServing(view, serving);
  if (serving !== null && view.apart) return { kind: 'remove-serving' };
  if (candidate === null) return { kind: 'build' };
  if (candidate.sha !== sha) return { kind: 'discard-candidate' };
  return bringUpCandidate(view, candidate);
}
