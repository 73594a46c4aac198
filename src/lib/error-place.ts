/** Where in somebody's source an error arose, as its stack tells. */
import { fileURLToPath } from 'node:url';

/** Node writes it above the stack of what it could not read. */
const HEAD = /^(?<file>(?:file:\/\/|\/|[A-Za-z]:\\).*):(?<line>\d+)$/;
const FRAME = /^\s+at (?:.* \()?(?<file>(?:file:\/\/)?(?:\/|[A-Za-z]:\\)[^()]*):(?<line>\d+):\d+\)?$/;
/** Of this program, as it is built and as it is written. */
const OURS = fileURLToPath(new URL('..', import.meta.url));

const pathOf = (file: string): string => (file.startsWith('file://') ? fileURLToPath(file) : file);
const isTheirs = (path: string): boolean => !path.startsWith(OURS) && !/[\\/]node_modules[\\/]/.test(path);

/** `/apps/stale.js:12` of the first line that is neither ours nor a package's; undefined where the stack names none. */
export function placeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return undefined;
  const [first = '', ...rest] = error.stack.split('\n');
  const head = HEAD.exec(first)?.groups;
  if (head?.file !== undefined) return `${pathOf(head.file)}:${head.line}`;
  for (const line of rest) {
    const { file, line: number } = FRAME.exec(line)?.groups ?? {};
    if (file !== undefined && isTheirs(pathOf(file))) return `${pathOf(file)}:${number}`;
  }
  return undefined;
}
