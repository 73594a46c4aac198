/** What Forgeway's own log, JSON lines in a file, says of a preview. */
import { readFile, stat } from 'node:fs/promises';

/** Bytes written so far. */
export async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}

function phaseIn(line: string, wanted: { number: number; sha: string }): string[] {
  // A line that is half written, or is not of the logger, says nothing.
  if (!line.startsWith('{') || !line.endsWith('}')) return [];
  const entry: unknown = JSON.parse(line);
  if (typeof entry !== 'object' || entry === null) return [];
  const { msg, phase, pullRequest, sha } = entry as Record<string, unknown>;
  const ours = pullRequest === wanted.number && typeof sha === 'string' && sha !== '' && wanted.sha.startsWith(sha);
  return ours && typeof phase === 'string' && msg === `preview ${phase}` ? [phase] : [];
}

/** Phases that the preview of a pull request entered at this commit, in order. @param offset bytes that are older */
export async function loggedPhases(
  path: string,
  offset: number,
  wanted: { number: number; sha: string },
): Promise<string[]> {
  const lines = (await readFile(path)).subarray(offset).toString('utf8').split('\n').slice(0, -1);
  return lines.flatMap((line) => phaseIn(line, wanted));
}
