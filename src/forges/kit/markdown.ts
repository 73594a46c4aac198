/** What an app asks to have rendered. */
import { z } from 'zod';
import { accept } from './accept.js';
import { RouteFailure, type RouteRequest } from './route.js';

const wish = z.looseObject({
  text: z.string(),
  mode: z.enum(['markdown', 'gfm']).default('markdown'),
  /** `owner/repo`, in whose name references are meant. */
  context: z.string().nullish(),
});

export interface ToRender {
  text: string;
  /** The repository that references are of; undefined where they are none. */
  repository?: { owner: string; repo: string };
}

/** @throws RouteFailure 422 */
export function toRender(request: RouteRequest): ToRender {
  const { text, mode, context } = accept('Markdown', wish, request.body);
  const [owner = '', repo = '', more] = (context ?? '').split('/');
  const isPlace = mode === 'gfm' && owner !== '' && repo !== '' && more === undefined;
  return { text, ...(isPlace && { repository: { owner, repo } }) };
}

/** @throws RouteFailure 400 for what is not sent as text */
export function rawText({ file }: RouteRequest): string {
  const type = file?.type.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'text/plain' && type !== 'text/x-markdown')
    throw new RouteFailure(400, "Invalid request media type (expecting 'text/plain')");
  return file?.bytes.toString('utf8') ?? '';
}

export const asHtml = (html: string) => ({ body: { contentType: 'text/html; charset=utf-8', bytes: html } });
