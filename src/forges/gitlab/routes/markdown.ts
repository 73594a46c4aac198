/** Rendering text as GitLab shows it. */
import { z } from 'zod';
import { asHtml, rawText, type ToRender, toRender } from '../../kit/markdown.js';
import type { Route, RouteContext, RouteTable } from '../../kit/route.js';
import { read } from '../convert/read.js';
import { projectPath, toNativeText } from '../references.js';

async function rendered(context: RouteContext, { text, repository }: ToRender) {
  const project = repository && projectPath(repository.owner, repository.repo);
  const json = { text: toNativeText(text), ...(project !== undefined && { gfm: true, project }) };
  const { data } = await context.native.send('POST', '/markdown', { json });
  return asHtml(read(z.looseObject({ html: z.string() }), data, 'markdown').html);
}

const row = { support: 'emulated', retry: 'idempotent', source: 'markdown: POST /markdown' } as const;
const NOTE = 'Rendered by GitLab, whose HTML has other classes than GitHub’s.';

const render: Route = { ...row, note: NOTE, run: (request, context) => rendered(context, toRender(request)) };

const renderRaw: Route = {
  ...row,
  note: NOTE,
  takesFile: true,
  run: (request, context) => rendered(context, { text: rawText(request) }),
};

export const markdown: RouteTable = { 'POST /markdown': render, 'POST /markdown/raw': renderRaw };
