/**
 * What is written on a forge in the forms that GitHub gives beside Markdown: `application/vnd.github.html+json`, `text+json` and
 * `full+json` on issues, comments, reviews, pull requests and releases, and `html` on a file. The forge renders it, by the row that
 * apps ask too.
 */
import type { JsonObject } from '../forges/forge.js';
import { type MediaType, type RouteAnswer, RouteFailure } from '../forges/kit/route.js';
import type { Logger } from '../lib/logger.js';

type Rendered = 'html' | 'text' | 'full';

const isRendered = (media: MediaType): media is Rendered => media === 'html' || media === 'text' || media === 'full';

/** A list has a hundred entries at most, and each of them is a request. */
const AT_ONCE = 4;

/** HTML of a text; undefined where the forge renders none, or not with this token. */
export type Render = (text: string) => Promise<string | undefined>;

/** Answers that no other text would change. */
const NOT_RENDERED: ReadonlySet<number> = new Set([403, 404, 501]);

/** By the forge's row of `POST /markdown`. What cannot be rendered is still read: whoever asked gets the words without the HTML. */
export const renderBy =
  (markdown: (text: string) => Promise<RouteAnswer>, log: Logger): Render =>
  async (text) => {
    try {
      const { body } = await markdown(text);
      return body && String(body.bytes);
    } catch (error) {
      if (!(error instanceof RouteFailure) || !NOT_RENDERED.has(error.status)) throw error;
      log.warn(
        { status: error.status, reason: error.message },
        'the forge renders no text for an app that asked for HTML',
      );
      return undefined;
    }
  };

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Everything that is written has its page and its words. */
const isWritten = (value: unknown): value is JsonObject & { body: string | null } =>
  isObject(value) && 'html_url' in value && (typeof value.body === 'string' || value.body === null);

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'", nbsp: '\u00a0' };

function characterOf(whole: string, name: string): string {
  const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
  if (!name.startsWith('#')) return ENTITIES[name] ?? whole;
  return Number.isInteger(code) && code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
}

/** The words of what a forge rendered, which is well-formed: within a tag stands no other one. */
const wordsOf = (html: string): string =>
  html
    .replace(/<[^<>]*>/g, '')
    .replace(/&(#x[0-9a-f]{1,6}|#\d{1,7}|[a-z]{2,6});/gi, characterOf)
    .trim();

function inForm(written: JsonObject, media: Rendered, html: string | null): JsonObject {
  const { body, ...rest } = written;
  return {
    ...rest,
    ...(media === 'full' && { body }),
    ...(media !== 'text' && { body_html: html }),
    ...(media !== 'html' && { body_text: html === null ? null : wordsOf(html) }),
  };
}

/** Markdown by the names that forges render. */
const MARKDOWN = /\.(?:md|mkdn?|mdown|markdown)$/i;

async function file(data: JsonObject, render: Render): Promise<RouteAnswer | undefined> {
  if (data.type !== 'file' || data.encoding !== 'base64' || typeof data.content !== 'string') return undefined;
  if (!MARKDOWN.test(String(data.name))) return undefined;
  const bytes = await render(Buffer.from(data.content, 'base64').toString('utf8'));
  return bytes === undefined
    ? undefined
    : { body: { contentType: 'application/vnd.github.html; charset=utf-8', bytes } };
}

/** The answer in the form that was asked for; as it is where there is none. */
export async function inAskedForm(answer: RouteAnswer, media: MediaType, render: Render): Promise<RouteAnswer> {
  const { data } = answer;
  if (!isRendered(media) || data === undefined) return answer;
  if (media === 'html' && isObject(data)) {
    const page = await file(data, render);
    if (page !== undefined) return page;
  }
  const texts = new Map<string, Promise<string | undefined>>();
  const htmlOf = (text: string) => {
    const known = texts.get(text) ?? render(text);
    texts.set(text, known);
    return known;
  };
  const one = async (value: unknown): Promise<unknown> => {
    if (!isWritten(value)) return value;
    const html = value.body ? await htmlOf(value.body) : value.body;
    return html === undefined ? value : inForm(value, media, html);
  };
  if (!Array.isArray(data)) return { ...answer, data: await one(data) };
  const all: unknown[] = [];
  for (let at = 0; at < data.length; at += AT_ONCE)
    all.push(...(await Promise.all(data.slice(at, at + AT_ONCE).map(one))));
  return { ...answer, data: all };
}
