/** A question that waits for its answer. */
interface Waiting<Question, Answer> {
  question: Question;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

export interface Gathered<Question, Answer> {
  /** @throws what answering all of them threw */
  ask(question: Question): Promise<Answer>;
}

/**
 * Answers together what is asked in the same turn of the event loop: `answer` is given all questions of one group, and gives
 * as many answers in the same order.
 */
export function gather<Question, Answer>(
  groupOf: (question: Question) => string,
  answer: (questions: readonly Question[]) => Promise<readonly Answer[]>,
): Gathered<Question, Answer> {
  let groups = new Map<string, Waiting<Question, Answer>[]>();

  async function settle(waiting: readonly Waiting<Question, Answer>[]): Promise<void> {
    try {
      const answers = await answer(waiting.map(({ question }) => question));
      if (answers.length !== waiting.length)
        throw new Error(`there were ${waiting.length} questions and ${answers.length} answers`);
      waiting.forEach(({ resolve }, at) => {
        resolve(answers[at] as Answer);
      });
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }

  return {
    ask: (question) =>
      new Promise((resolve, reject) => {
        if (groups.size === 0)
          setImmediate(() => {
            const asked = groups;
            groups = new Map();
            for (const waiting of asked.values()) void settle(waiting);
          });
        const group = groupOf(question);
        const waiting = groups.get(group);
        const one = { question, resolve, reject };
        if (waiting) waiting.push(one);
        else groups.set(group, [one]);
      }),
  };
}
