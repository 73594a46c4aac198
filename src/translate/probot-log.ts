import type { Logger } from '../lib/logger.js';

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

/** Only what tells errors apart: Octokit's carry the request, the answer and the payload with them. */
function briefError(error: unknown) {
  return {
    type: property(error, 'name'),
    status: property(error, 'status'),
    message: property(error, 'message'),
    stack: property(error, 'stack'),
  };
}

/** The logger for one app and its Probot, which logs whole events and errors: here they are cut to what identifies them. */
export function appLog(log: Logger, app: string): Logger {
  return log.child(
    { app },
    {
      serializers: {
        event: (event: unknown) => ({ id: property(event, 'id'), name: property(event, 'name') }),
        err: briefError,
        error: briefError,
      },
    },
  );
}
