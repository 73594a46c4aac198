/**
 * Whether a build failed by something that passes: a registry, a forge or a daemon that does not answer, a node that went away. Read
 * from what git, BuildKit and the lifecycle of buildpacks print, since they tell by nothing else. Pure.
 */
import type { Diagnosis } from './diagnosis.js';

/** Of the network between us and a server, and of a server that is there and cannot: never of a request that it refuses. */
const UNREACHABLE = new RegExp(
  [
    ...[
      'i/o timeout',
      'connection (?:refused|reset|timed out)',
      'no such host',
      'server misbehaving',
      'network is unreachable',
    ],
    ...[
      'no route to host',
      'TLS handshake timeout',
      'context deadline exceeded',
      'Client\\.Timeout exceeded',
      'unexpected EOF',
      ': EOF$',
    ],
    ...[
      'could ?n[o\\x27]t resolve host',
      'failed to connect to',
      'could ?n[o\\x27]t connect',
      'operation (?:timed out|too slow)',
    ],
    ...[
      'the remote end hung up',
      'early EOF',
      'RPC failed',
      'SSL_ERROR_SYSCALL',
      'gnutls_handshake',
      'temporary failure in name resolution',
    ],
    ...[
      'code = Unavailable',
      'toomanyrequests',
      'too many requests',
      'service unavailable',
      'bad gateway',
      'gateway time-?out',
    ],
    ...[
      'returned error: (?:429|5\\d\\d)',
      'unexpected status[^\\n]*\\b(?:429|5\\d\\d)\\b',
      'status code:? (?:429|5\\d\\d)',
    ],
  ].join('|'),
  'im',
);

/** What a `RUN` of the repository's own did, whatever it printed before. */
const OWN_DOING = /did not complete successfully|dockerfile parse error|executor failed running/i;

/** Containers of a build that run none of the repository's code, and what of their output is the tool's last word. */
const LAST_WORD: Readonly<Record<string, (lines: string[]) => string>> = {
  fetch: (lines) => lines.slice(-5).join('\n'),
  // Above its own last line stands what the repository's commands printed.
  build: (lines) => lines.findLast((line) => /^error: /i.test(line)) ?? '',
  analyzer: (lines) => lines.at(-1) ?? '',
  restorer: (lines) => lines.at(-1) ?? '',
  export: (lines) => lines.at(-1) ?? '',
};

/** @param log the last lines of the container that `found` names */
export function isPassing(found: Diagnosis, log: string): boolean {
  if (found.passing) return true;
  // Of an image that cannot be pulled: the words of the node.
  if (found.pod === undefined) return UNREACHABLE.test(found.cause);
  const lines = log.split('\n').map((line) => line.trim());
  const word = LAST_WORD[found.pod.container ?? '']?.(lines.filter((line) => line !== '')) ?? '';
  return !OWN_DOING.test(word) && UNREACHABLE.test(word);
}
