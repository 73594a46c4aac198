/** Every event in every state, with every combination of what a run may be. */
import { describe, expect, it } from '@jest/globals';
import { isFinal, type RunStatus, runStatuses } from '../../store/workspace/runs.js';
import { nextState, possible, type RunEvent, type RunFacts } from './state.js';

const flags = [false, true];
const every: RunFacts[] = runStatuses.flatMap((status) =>
  flags.flatMap((planOnly) =>
    flags.flatMap((autoApply) =>
      flags.flatMap((savePlan) =>
        flags.flatMap((allowEmptyApply) =>
          flags.map((cancelRequested) => ({
            ...{ status, planOnly, autoApply, savePlan, allowEmptyApply, cancelRequested },
          })),
        ),
      ),
    ),
  ),
);
const events: RunEvent[] = [
  ...(['confirm', 'discard', 'cancel', 'force-cancel', 'supersede'] as const).map((kind) => ({ kind })),
  ...(['turn', 'fetched', 'apply-started', 'applied', 'failed', 'stopped', 'vanished', 'outdated'] as const).map(
    (kind) => ({ kind }),
  ),
  { kind: 'planned', hasChanges: true },
  { kind: 'planned', hasChanges: false },
];

const plain = (status: RunStatus, more: Partial<RunFacts> = {}): RunFacts => ({
  ...{ status, planOnly: false, autoApply: false, savePlan: false, allowEmptyApply: false, cancelRequested: false },
  ...more,
});

/** In one word: the state after it, `stop`, `-` for unchanged, `no` for refused. */
function word(run: RunFacts, event: RunEvent): string {
  const outcome = nextState(run, event);
  if ('to' in outcome) return outcome.to;
  if ('stop' in outcome) return 'stop';
  return 'refused' in outcome ? 'no' : '-';
}

/** The whole table, written down by hand. Columns as in `events`, of a run that is neither canceled nor a plan only. */
const table: Record<RunStatus, string> = {
  pending: 'no discarded canceled no discarded | fetching - - - errored - - - | - -',
  fetching: 'no no stop no stop | - planning - - errored canceled - - | - -',
  planning: 'no no stop no stop | - - - - errored canceled errored - | planned planned_and_finished',
  planned: 'confirmed discarded canceled no discarded | - - - - - - - discarded | - -',
  planned_and_finished: 'no no no no - | - - - - - - - - | - -',
  confirmed: '- no canceled no - | - - applying - errored - - discarded | - -',
  applying: '- no stop no - | - - - applied errored canceled errored - | - -',
  applied: '- no no no - | - - - - - - - - | - -',
  errored: 'no no no no - | - - - - - - - - | - -',
  discarded: 'no - no no - | - - - - - - - - | - -',
  canceled: 'no no - - - | - - - - - - - - | - -',
};

describe('the state machine of a run', () => {
  it.each(runStatuses)('goes from %s as the table says, for every event', (status) => {
    const words = events.map((event) => word(plain(status), event));
    const written = table[status].replaceAll('| ', '').split(' ');
    expect(written).toHaveLength(events.length);
    expect(Object.fromEntries(events.map((event, n) => [JSON.stringify(event), words[n]]))).toEqual(
      Object.fromEntries(events.map((event, n) => [JSON.stringify(event), written[n]])),
    );
  });

  it('never leaves an end, whatever the run is and whatever happens', () => {
    for (const run of every.filter(({ status }) => isFinal(status)))
      for (const event of events) expect(['-', 'no']).toContain(word(run, event));
  });

  it('never lets a plan-only run be confirmed, applied, or wait to be', () => {
    for (const run of every.filter(
      ({ planOnly, status }) => planOnly && status !== 'confirmed' && status !== 'applying',
    ))
      for (const event of events)
        expect(['planned', 'confirmed', 'applying', 'applied']).not.toContain(word(run, event));
    for (const run of every.filter(({ planOnly }) => planOnly)) expect(word(run, { kind: 'confirm' })).toBe('no');
  });

  it('reaches an apply only by way of a plan that was confirmed', () => {
    for (const run of every)
      for (const event of events) {
        const after = word(run, event);
        if (after === 'applied') expect(run.status).toBe('applying');
        if (after === 'applying') expect(run.status).toBe('confirmed');
        if (after === 'confirmed') expect(['planned', 'planning']).toContain(run.status);
        if (after === 'confirmed' && run.status === 'planning') expect(run.autoApply).toBe(true);
      }
  });

  it('does not apply a saved plan by itself, and nothing where nothing changed', () => {
    const planned = (more: Partial<RunFacts>, hasChanges = true) =>
      word(plain('planning', more), { kind: 'planned', hasChanges });
    expect(planned({ autoApply: true })).toBe('confirmed');
    expect(planned({ autoApply: true, savePlan: true })).toBe('planned');
    expect(planned({ autoApply: true }, false)).toBe('planned_and_finished');
    expect(planned({ autoApply: true, allowEmptyApply: true }, false)).toBe('confirmed');
    expect(planned({ allowEmptyApply: true }, false)).toBe('planned');
    expect(planned({ planOnly: true, autoApply: true })).toBe('planned_and_finished');
  });

  it('stops what was asked to stop, and says what an apply did although it was', () => {
    for (const status of ['fetching', 'planning', 'applying'] as const) {
      const asked = plain(status, { cancelRequested: true });
      expect(word(asked, { kind: 'cancel' })).toBe('-');
      expect(word(asked, { kind: 'force-cancel' })).toBe('canceled');
      expect(word(asked, { kind: 'stopped' })).toBe('canceled');
    }
    expect(word(plain('planning', { cancelRequested: true }), { kind: 'planned', hasChanges: true })).toBe('canceled');
    expect(word(plain('applying', { cancelRequested: true }), { kind: 'applied' })).toBe('applied');
  });

  it('says why it refuses, and offers only what it would not refuse', () => {
    for (const run of every) {
      for (const kind of ['confirm', 'discard', 'cancel', 'force-cancel'] as const) {
        const outcome = nextState(run, { kind });
        if ('refused' in outcome) expect(outcome.refused).toMatch(/^(?:The|This) run .+\.$/);
        expect(possible(run)[kind]).toBe('to' in outcome || 'stop' in outcome);
      }
    }
  });

  it('from every state that is not over there is a way to an end without the executor', () => {
    for (const run of every.filter(({ status }) => !isFinal(status))) {
      const asked = nextState(run, { kind: 'cancel' });
      const after: RunFacts = 'to' in asked ? { ...run, status: asked.to } : { ...run, cancelRequested: true };
      expect('to' in asked || word(after, { kind: 'force-cancel' }) === 'canceled').toBe(true);
    }
  });
});
