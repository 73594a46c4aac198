/** A page that lists what the OpenAPI document describes, for people. */
import { openApiDocument } from './openapi.js';
import { escapeHtml, page } from './page.js';

interface Operation {
  operationId: string;
  summary: string;
  description: string;
}

export function referencePage(): string {
  const { paths } = openApiDocument() as { paths: Record<string, Record<string, Operation>> };
  const rows = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, { operationId, summary, description }]) =>
        `<tr><td><code>${escapeHtml(method.toUpperCase())} ${escapeHtml(path)}</code><br><code>${escapeHtml(operationId)}</code></td>` +
        `<td>${escapeHtml(summary)}<br>${escapeHtml(description.replaceAll('`', ''))}</td></tr>`,
    ),
  );
  return page(
    'API of Forgeway',
    `<h1>API</h1><p>Send <code>Authorization: Bearer</code> with a token of <code>forgeway tokens create</code>.
<a href="/openapi.json">openapi.json</a> describes every field. The second name of each is its procedure at <code>/api/trpc</code>.</p>
<table class="stacked"><tbody>${rows.join('\n')}</tbody></table>`,
  );
}
