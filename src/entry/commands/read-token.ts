/** A token that a person gives to a command. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { InvalidArgumentError } from 'commander';

/** From a file, from standard input, or typed without being shown; never from the command line, where others can read it. */
export async function readToken(
  options: { tokenFile?: string; tokenStdin?: boolean },
  what: 'token' | 'secret' = 'token',
): Promise<string> {
  let given: string;
  if (options.tokenFile !== undefined) {
    try {
      given = readFileSync(options.tokenFile, 'utf8');
    } catch (error) {
      const why = error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be opened';
      throw new InvalidArgumentError(`The ${what}'s file ${options.tokenFile} cannot be read (${why}).`);
    }
  } else if (options.tokenStdin || !process.stdin.isTTY) given = await text(process.stdin);
  else given = await askHidden(what === 'token' ? 'Access token: ' : 'Client secret: ');
  const token = given.trim();
  if (token === '')
    throw new InvalidArgumentError(`No ${what} was given: use --${what}-file, --${what}-stdin, or type it when asked.`);
  if (!/^[\x21-\x7e]{8,4096}$/.test(token))
    throw new InvalidArgumentError(
      `That is no ${what}: it is one word of 8 to 4096 letters, digits and signs, alone in its file.`,
    );
  return token;
}

function askHidden(question: string): Promise<string> {
  process.stderr.write(question);
  const lines = createInterface({ input: process.stdin, terminal: true, output: undefined });
  return new Promise((resolve) => {
    lines.once('line', (line) => {
      lines.close();
      process.stderr.write('\n');
      resolve(line);
    });
  });
}
