/** The few pages a visitor of a preview can get from us instead of from the preview. */

export interface Page {
  status: number;
  html: string;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

function page(
  status: number,
  o: { title: string; text: string; refreshSeconds?: number; link?: { url: string; text: string } },
): Page {
  const refresh = o.refreshSeconds === undefined ? '' : `<meta http-equiv="refresh" content="${o.refreshSeconds}">`;
  const link = o.link === undefined ? '' : `<p><a href="${escapeHtml(o.link.url)}">${escapeHtml(o.link.text)}</a></p>`;
  return {
    status,
    html: `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">${refresh}
<title>${escapeHtml(o.title)}</title>
<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}
h1{font-size:1.4rem}p{overflow-wrap:anywhere}</style></head>
<body><main><h1>${escapeHtml(o.title)}</h1><p role="status">${escapeHtml(o.text).replace(/`([^`]+)`/g, '<code>$1</code>')}</p>${link}</main></body></html>
`,
  };
}

export const pages = {
  unknown: () =>
    page(404, {
      title: 'No preview here',
      text: 'There is no preview at this address. It may have been removed when its pull request was closed.',
    }),
  badRequest: () => page(400, { title: 'Not an address', text: 'A preview cannot be asked for this address.' }),
  linkNeeded: (signInUrl: string | undefined) =>
    page(403, {
      title: 'This preview is private',
      text:
        signInUrl === undefined
          ? 'Open it through the link in the comment on its pull request.'
          : 'Sign in, or open it through the link in the comment on its pull request.',
      ...(signInUrl !== undefined && { link: { url: signInUrl, text: 'Sign in' } }),
    }),
  building: (message: string | null) =>
    page(503, {
      title: 'The preview is being built',
      text: message ?? 'This page looks again every few seconds.',
      refreshSeconds: 3,
    }),
  starting: (message: string | null) =>
    page(503, {
      title: 'The preview is starting',
      text: message ?? 'It is built, and being rolled out. This page looks again every few seconds.',
      refreshSeconds: 2,
    }),
  waking: () =>
    page(503, {
      title: 'The preview is waking up',
      text: 'This page looks again every few seconds.',
      refreshSeconds: 2,
    }),
  waiting: (message: string | null) =>
    page(503, { title: 'The preview waits', text: message ?? 'It has not been allowed to run.' }),
  failed: (message: string | null) => page(502, { title: 'The preview failed', text: message ?? 'Its log says why.' }),
  unreachable: () =>
    page(502, {
      title: 'The preview does not answer',
      text: 'It may just be starting again. This page looks again every few seconds.',
      refreshSeconds: 3,
    }),
  tooLarge: () => page(413, { title: 'Too large', text: 'The request is larger than a preview may be sent.' }),
  broken: () => page(500, { title: 'Something went wrong', text: 'Try again in a moment.', refreshSeconds: 5 }),
};
