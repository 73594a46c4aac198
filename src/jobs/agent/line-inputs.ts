/** What an agent's lines say, in the words of the session machine. */
import type { AgentPage } from '../../effects/agents/runner.js';
import type { SessionInput } from './machine.js';

/** What the session has used in this round; agents may tell totals. */
export interface RoundUse {
  tokens: bigint;
  costMicros: bigint;
}

type Line = AgentPage['events'][number];

function costOf(event: Extract<Line['event'], { type: 'cost' }>, use: RoundUse): SessionInput & { kind: 'cost' } {
  const tokens = event.inputTokens + event.outputTokens;
  const costMicros = Math.round((event.usd ?? 0) * 1_000_000);
  if (!event.total) return { kind: 'cost', tokens, costMicros };
  // A total never takes back what was counted.
  return {
    kind: 'cost',
    tokens: Math.max(0, tokens - Number(use.tokens)),
    costMicros: Math.max(0, costMicros - Number(use.costMicros)),
  };
}

function inputOf({ at, ordinal, event }: Line, use: RoundUse): SessionInput {
  switch (event.type) {
    case 'message':
      return { kind: 'message', text: event.text };
    case 'tool':
      return { kind: 'tool', name: event.name, summary: event.summary };
    case 'diff':
      return { kind: 'diff', summary: event.summary, paths: event.paths };
    case 'cost':
      return costOf(event, use);
    case 'question':
      // Its place among all that was printed names it, also when it is asked in the same words again.
      return { kind: 'question', id: `${at}.${ordinal}`, text: event.text, choices: event.options };
    case 'done':
      return { kind: 'done', ok: event.ok, title: event.title, summary: event.summary };
    case 'raw':
      return { kind: 'raw', text: event.text };
  }
}

export function inputsOf(events: AgentPage['events'], use: RoundUse): SessionInput[] {
  let { tokens, costMicros } = use;
  return events.map((line) => {
    const input = inputOf(line, { tokens, costMicros });
    if (input.kind === 'cost') {
      tokens += BigInt(Math.round(input.tokens));
      costMicros += BigInt(Math.round(input.costMicros));
    }
    return input;
  });
}

/**
 * The same of a program that ends after each turn, and says every time that it is done: its work is done only where it has asked nothing, and
 * nothing waits to be told to it. Else that was the end of a turn, and there is another.
 * @param o.asks it has asked something, and done nothing since
 * @param o.isToldMore somebody has said something that it does not know yet
 */
export function inputsOfTurn(
  inputs: readonly SessionInput[],
  { asks: before, isToldMore }: { asks: boolean; isToldMore: boolean },
): SessionInput[] {
  let asks = before;
  return inputs.filter((input) => {
    if (input.kind === 'question') asks = true;
    else if (input.kind === 'tool' || input.kind === 'diff') asks = false;
    return !(input.kind === 'done' && input.ok && (asks || isToldMore));
  });
}
