/** The HTTP routes that apps add: their pages, and addresses that others call. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ApplicationFunctionOptions } from 'probot';
import { messageOf } from '../lib/errors.js';
import { runOutside } from '../lib/left-behind.js';
import type { Logger } from '../lib/logger.js';

/** True when it took the request. */
export type PageHandler = Parameters<ApplicationFunctionOptions['addHandler']>[0];

export interface AppPages {
  /** Names of the apps that have any. */
  readonly apps: readonly string[];
  /** Asks one app after the other, in the order in which they were loaded. False, and nothing answered, when none takes it. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
}

export interface AppHandler {
  app: string;
  handler: PageHandler;
}

const isAnswered = (response: ServerResponse) => response.headersSent || response.writableEnded || response.destroyed;

/** What an app throws is for the log; the caller learns that something failed, and nothing else. */
export function createAppPages(handlers: readonly AppHandler[], log: Logger): AppPages {
  return {
    apps: [...new Set(handlers.map(({ app }) => app))],
    async handle(request, response) {
      for (const { app, handler } of handlers) {
        const fail = (error: unknown) => {
          log.error({ app, err: messageOf(error) }, 'a page of an app failed');
          if (!isAnswered(response))
            response
              .writeHead(500, { 'content-type': 'application/json' })
              .end(JSON.stringify({ error: { code: 'INTERNAL', message: 'The request failed.' } }));
          // Half of an answer is none.
          else if (!response.writableEnded) response.destroy();
        };
        try {
          // An asynchronous route of Express 4 is awaited by nobody.
          const taken = await runOutside({ rejected: fail }, () => handler(request, response));
          if (taken === true || isAnswered(response)) return true;
        } catch (error) {
          fail(error);
          return true;
        }
      }
      return false;
    },
  };
}
