/** Every format on recorded output; the recordings are ours, in the shapes that each program's source describes. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { AGENT_FORMATS, agentDefinition } from '../definition.js';
import type { AgentEvent } from '../protocol.js';
import { formats } from './registry.js';

const recorded = async (name: string): Promise<string[]> =>
  (await readFile(new URL(`fixtures/${name}`, import.meta.url), 'utf8')).trimEnd().split('\n');
const brief = (event: AgentEvent): string =>
  `${event.type}: ${{
    message: () => 'text' in event && event.text,
    question: () => 'text' in event && event.text,
    raw: () => 'reason' in event && `${event.reason} ${event.text}`,
    tool: () => 'name' in event && `${event.name} ${event.summary}`,
    diff: () => 'paths' in event && event.paths.join(' '),
    cost: () =>
      'inputTokens' in event &&
      `${event.inputTokens} ${event.outputTokens} ${event.usd ?? '-'}${event.total ? ' in all' : ''}`,
    done: () => 'ok' in event && `${event.ok} ${event.summary}`,
  }[event.type]()}`;

const expected: Record<string, string[]> = {
  'claude-code.jsonl': [
    'message: I will look at the price first.',
    'tool: Read {"file_path":"/workspace/source/src/price.js"}',
    'tool: Edit {"file_path":"/workspace/source/src/price.js","old_string":"1","new_string":"2"}',
    'diff: /workspace/source/src/price.js',
    'raw: unknown {"type":"brand_new_event","x":1}',
    'raw: not-json Warning: a line that is no JSON',
    'message: Changed the price.\n\nQUESTION: Which currency?',
    'cost: 1520 340 0.0123',
    'question: Which currency?',
    'done: true Changed the price.\n\nQUESTION: Which currency?',
  ],
  'codex.jsonl': [
    "tool: command bash -lc 'npm test' (exit 1)",
    'diff: src/price.js README.md',
    'tool: docs/search {"q":"price"}',
    'message: - [x] Look\n- [ ] Mend',
    'raw: malformed {"type":"item.completed","item":{"id":"item_9","type":"a_new_kind"}}',
    'question: Which currency?',
    'message: Done.\nQUESTION: And the tax?',
    'question: And the tax?',
    'cost: 1200 345 - in all',
    'done: true ',
    'done: false The model is overloaded.',
  ],
  'gemini.jsonl': [
    'message: I will change it.',
    'tool: write_file {"file_path":"src/price.js"}',
    'message: A tool failed: no such file',
    'message: warning: slow',
    'cost: 900 80 -',
    'done: true ',
  ],
  'opencode.jsonl': [
    'tool: bash {"command":"ls"}',
    'tool: edit {"filePath":"/workspace/source/src/price.js"}',
    'diff: /workspace/source/src/price.js',
    'cost: 1100 60 0.002',
    'message: The price is changed.',
    'cost: 1200 30 0.001',
    'done: true ',
    'done: false No such model.',
  ],
  'aider.txt': [
    'raw: not-json I will change the price.',
    'diff: src/price.js',
    'tool: commit feat: change the price',
    'cost: 2300 127 0.0089',
    'question: Which currency?',
  ],
};

/** Printed by the programs themselves, which had a model's API of ours: they write a file, and a second turn follows. */
const printed: Record<string, string[]> = {
  'claude-code-2.1.332.jsonl': [
    'message: I write it.',
    'tool: Write {"file_path":"/workspace/source/a.txt","content":"hello\\n"}',
    'diff: /workspace/source/a.txt',
    'message: It is written.',
    'cost: 224 40 0.0016528',
    'done: true It is written.',
    'cost: 112 20 0.0008264',
    'done: true It is written.',
  ],
  'codex-0.171.0.jsonl': [
    'message: I write it.',
    "tool: command /bin/bash -lc 'echo hello > a.txt'",
    'message: It is written.',
    'cost: 200 40 - in all',
    'done: true ',
    'message: It is written.',
    'cost: 400 80 - in all',
    'done: true ',
  ],
  'gemini-0.61.0.jsonl': [
    'message: I write it.',
    'tool: write_file {"file_path":"/workspace/source/a.txt","content":"hello\\n"}',
    'message: It is ',
    'message: written.',
    'cost: 200 40 -',
    'done: true ',
  ],
  'opencode-1.18.33.jsonl': [
    'message: I write it.',
    'tool: write {"filePath":"/workspace/source/a.txt","content":"hello\\n"}',
    'diff: /workspace/source/a.txt',
    'cost: 112 20 0.00062085',
    'message: It is written.',
    'cost: 112 20 0.00062085',
    'done: true ',
  ],
};

describe('what command-line agents print', () => {
  it.each(Object.entries({ ...expected, ...printed }))('is understood: %s', async (file, events) => {
    const format = formats[file.replace(/(?:-\d.*)?\.\w+$/, '') as keyof typeof formats];
    const said = (await recorded(file)).flatMap((line) => format.parse(line));
    expect(said.map(brief)).toEqual(events);
  });

  it('never makes a format throw, whatever it is', () => {
    const odd = [
      ...[
        '',
        '{}',
        '[]',
        'null',
        '1',
        '"x"',
        '{"type":null}',
        '{"type":["a"]}',
        '{"type":"__proto__"}',
        '{"type":"constructor"}',
      ],
      ...[
        '{"type":"assistant"}',
        '{"type":"assistant","message":{"content":"x"}}',
        '{"type":"result"}',
        '{"type":"text"}',
      ],
      ...['{"type":"item.completed","item":null}', '{"type":"item.completed","item":{"type":"toString"}}'],
      ...['{"type":"turn.completed","usage":{"input_tokens":-1,"output_tokens":1e400}}', '{"type":"done","ok":"yes"}'],
      ...[
        '{"type":"message","text":5}',
        `{"type":"message","text":"${'x'.repeat(300_000)}"}`,
        `${'{"a":'.repeat(50_000)}`,
      ],
      ...['Tokens: ,,, sent, .. received. Cost: $... message', `> Running ${'x'.repeat(9_999)}`, '\u0000\u001b[2J'],
    ];
    for (const name of AGENT_FORMATS) {
      for (const line of odd) {
        for (const event of formats[name].parse(line)) {
          expect(JSON.stringify(event).length).toBeLessThan(200_000);
          expect(JSON.stringify(event)).not.toMatch(/\\u001b|NaN|Infinity/);
        }
      }
    }
  });

  it('is configured as the documentation says', async () => {
    const page = await readFile(new URL('../../../../docs/agent-protocol.md', import.meta.url), 'utf8');
    const block = [...page.matchAll(/```json\n([\s\S]*?)```/g)]
      .map(([, text = '']) => text)
      .find((text) => text.startsWith('['));
    const agents = z.array(agentDefinition).parse(JSON.parse(block ?? ''));
    expect(agents.map(({ format }) => format).sort()).toEqual(
      AGENT_FORMATS.filter((name) => name !== 'forgeway').toSorted(),
    );
  });

  it('states the program, its version and where its format is described', () => {
    for (const name of AGENT_FORMATS) {
      const { program, version, source } = formats[name];
      for (const fact of [program, version, source]) expect([name, fact.length > 0]).toEqual([name, true]);
    }
  });
});

it('is documented with the version and the source that it was written for, and whether it was ever run here', async () => {
  const page = await readFile(new URL('../../../../docs/agent-protocol.md', import.meta.url), 'utf8');
  for (const [name, { version, tried }] of Object.entries(formats)) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${name}\` |`)) ?? `no row of ${name}`;
    const [, , , source = '', run = ''] = row.split('|').map((cell) => cell.trim());
    if (name !== 'forgeway') expect(row).toContain(version);
    expect(source).not.toBe('');
    expect(run.startsWith(tried ? 'yes' : '**no**')).toBe(true);
  }
});
