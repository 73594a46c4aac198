/** Rendering text and searching code. */
import { z } from 'zod';
import type { FakeRoute } from '../../kit/fake/routing.js';
import { paged, pagingOnly, projectFor } from './declare.js';
import type { World } from './state.js';

const toRender = z.strictObject({ text: z.string(), gfm: z.boolean().optional(), project: z.string().optional() });
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** `word filename:x path:y extension:z`, as GitLab's basic search takes them. */
function search(text: string) {
  const filter = (name: string) => new RegExp(`(?:^|\\s)${name}:(\\S+)`).exec(text)?.[1];
  const words = text
    .replace(/(?:filename|path|extension):\S+/g, '')
    .replaceAll('"', '')
    .trim();
  return { words, filename: filter('filename'), folder: filter('path'), extension: filter('extension') };
}

export function textRoutes(world: World): FakeRoute[] {
  return [
    {
      method: 'POST',
      path: '/markdown',
      source: 'markdown: POST /markdown',
      body: toRender,
      open: true,
      run(request) {
        const { text, project } = request.body as z.output<typeof toRender>;
        if (project !== undefined) projectFor(world, { ...request, params: { id: project } });
        return { status: 201, json: { html: `<p dir="auto">${escaped(text)}</p>` } };
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/search',
      source: 'search: GET /projects/:id/search',
      query: pagingOnly.extend({ scope: z.literal('blobs'), search: z.string().min(1), ref: z.string().optional() }),
      async run(request) {
        const project = projectFor(world, request);
        const { words, filename, folder, extension } = search(request.query.get('search') ?? '');
        const sha = (await project.git.resolve(project.defaultBranch)) ?? '';
        const found: object[] = [];
        for (const { path } of (await project.git.readTree(sha, '', true)) ?? []) {
          const name = path.split('/').at(-1) ?? '';
          const fits = (filename ?? name) === name && path.includes(folder ?? '') && path.endsWith(extension ?? '');
          const file = fits ? await project.git.readFile(sha, path) : undefined;
          const lines = file?.content.toString('utf8').split('\n') ?? [];
          for (const [at, line] of lines.entries())
            if (line.toLowerCase().includes(words.toLowerCase()))
              found.push({
                ...{ basename: name.replace(/\.\w+$/, ''), data: line, path, filename: path, id: null },
                ...{ ref: project.defaultBranch, startline: at + 1, project_id: project.id },
              });
        }
        return paged(request, found);
      },
    },
  ];
}
