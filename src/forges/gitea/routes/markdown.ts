/** Rendering text as the server shows it. */

import { asHtml, rawText, type ToRender, toRender } from '../../kit/markdown.js';
import { segment } from '../../kit/native-client.js';
import type { Route, RouteContext, RouteTable } from '../../kit/route.js';
import { emulated } from './row.js';

async function rendered(context: RouteContext, { text, repository }: ToRender) {
  const place = repository && `${context.base.web}/${segment(repository.owner)}/${segment(repository.repo)}`;
  const json = { Text: text, Mode: place ? 'gfm' : 'markdown', ...(place && { Context: new URL(place).pathname }) };
  return asHtml(String((await context.native.send('POST', '/markdown', { json, as: 'text' })).data));
}

const NOTE = 'Rendered by the server, whose HTML has other classes than GitHub’s.';

const row = (run: Route['run']): Route => emulated('idempotent', 'miscellaneous: POST /markdown', NOTE, run);

export const markdown: RouteTable = {
  'POST /markdown': row((request, context) => rendered(context, toRender(request))),
  'POST /markdown/raw': {
    ...row((request, context) => rendered(context, { text: rawText(request) })),
    takesFile: true,
  },
};
