/** Rendering text. */
import { z } from 'zod';
import type { FakeRoute } from '../../../kit/fake/routing.js';

const toRender = z.strictObject({
  Text: z.string(),
  Mode: z.enum(['markdown', 'gfm', 'comment']),
  Context: z.string().startsWith('/').optional(),
});
const html = (text: string) => ({
  body: `<p>${text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</p>\n`,
  contentType: 'text/html; charset=utf-8',
});

export const textRoutes = (): FakeRoute[] => [
  {
    method: 'POST',
    path: '/markdown',
    source: 'miscellaneous: POST /markdown',
    body: toRender,
    run: ({ body }) => html((body as z.output<typeof toRender>).Text),
  },
];
