/**
 * The page behind a commit status that stands for a check run: what the app wrote, on forges that have no place for it, and buttons
 * for what the app offers. Whoever has the link may read; the buttons are for those who may write in the repository.
 */
import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { CheckRunLinks } from '../accounts/check-run-links.js';
import type { Store } from '../store/database.js';
import type { AuthRoutesOptions } from './auth.js';
import type { CheckRunRequests, CheckRunRight } from './check-run-requests.js';
import { escapeHtml, page, sendPage, withCode } from './page.js';
import { toSignIn } from './run-redirect.js';
import { messagePage } from './sign-in-page.js';

const text = z.string().nullish();
const annotation = z.looseObject({
  path: z.string(),
  start_line: z.number().nullish(),
  annotation_level: text,
  title: text,
  message: z.string(),
});
const action = z.looseObject({ label: z.string(), description: z.string(), identifier: z.string() });
/** GitHub's names, as the route tables keep them. */
const checkRun = z.looseObject({
  name: z.string(),
  head_sha: z.string(),
  status: z.string(),
  conclusion: text,
  details_url: text,
  started_at: text,
  completed_at: text,
  output: z.looseObject({ title: text, summary: text, text, annotations: z.array(annotation).nullish() }).nullish(),
  actions: z.array(action).nullish(),
});
export type CheckRunView = z.output<typeof checkRun>;

const section = (title: string, body: string | null | undefined) =>
  body ? `<h2>${title}</h2><pre>${escapeHtml(body)}</pre>` : '';

/** Only what a browser may follow without harm. */
const link = (url: string | null | undefined) =>
  url && /^https?:\/\//.test(url) ? `<p><a rel="noreferrer" href="${escapeHtml(url)}">Details of the app</a></p>` : '';

/** Of the person who looks at it. */
export interface Viewer {
  /** Where its form goes: the path of the page. */
  path: string;
  /** `unknown`: nobody has signed in. */
  right: CheckRunRight | { kind: 'unknown' };
  /** Something was asked for just now. */
  asked: boolean;
  /** Names what a press of this page's buttons is, so that a second one of the same changes nothing. */
  press: string;
}

const button = (name: string, value: string, label: string, description: string) =>
  `<p><button name="${name}" value="${escapeHtml(value)}">${escapeHtml(label)}</button> ${escapeHtml(description)}</p>`;

/** GitHub offers to run again what is done. */
function buttonsOf(check: CheckRunView, { path, right, asked, press }: Viewer): string {
  const isDone = check.conclusion != null || check.status === 'completed';
  const buttons = [
    ...(check.actions ?? []).map((one) => button('action', one.identifier, one.label, one.description)),
    ...(isDone ? [button('rerequest', 'yes', 'Run again', 'The app is asked to check the commit once more.')] : []),
  ];
  const done = asked
    ? '<p class="state good" role="status">The app was told. What it does shows here and on the commit, when you open the page again.</p>'
    : '';
  if (buttons.length === 0) return done;
  if (right.kind === 'unknown')
    return `${done}<p><a href="/sign-in?return_to=${escapeHtml(encodeURIComponent(path))}">Sign in</a> to ask the app for something: whoever may write in the repository may.</p>`;
  if (right.kind === 'refused') return `${done}<h2>Ask the app</h2><p>${withCode(right.message)}</p>`;
  return `${done}<h2>Ask the app</h2><form method="post" action="${escapeHtml(path)}"><input type="hidden" name="press" value="${escapeHtml(press)}">
${buttons.join('\n')}</form>`;
}

export function checkRunPage(check: CheckRunView, viewer: Viewer): string {
  const { output } = check;
  const word = (check.conclusion ?? check.status).replaceAll('_', ' ');
  const rows = (output?.annotations ?? []).map(
    (one) =>
      `<tr><td><code>${escapeHtml(one.path)}${one.start_line ? `:${one.start_line}` : ''}</code></td>` +
      `<td>${escapeHtml(one.annotation_level ?? '')}</td>` +
      `<td>${one.title ? `<strong>${escapeHtml(one.title)}</strong> ` : ''}${escapeHtml(one.message)}</td></tr>`,
  );
  const annotations =
    rows.length === 0
      ? ''
      : `<h2>Annotations</h2><table><thead><tr><th scope="col">Place</th><th scope="col">Level</th>
         <th scope="col">Message</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
  const when = check.completed_at ?? check.started_at;
  return page(
    check.name,
    `<h1>${escapeHtml(check.name)}</h1>
<p>Check of <code>${escapeHtml(check.head_sha.slice(0, 12))}</code>${when ? `, ${escapeHtml(when)}` : ''}</p>
<p class="state" role="status">${escapeHtml(word)}${output?.title ? `: ${escapeHtml(output.title)}` : ''}</p>
${section('Summary', output?.summary)}${section('Text', output?.text)}${annotations}${link(check.details_url)}${buttonsOf(check, viewer)}`,
  );
}

const GONE = page('No such check', '<h1>No such check</h1><p>The link is not complete, or the check was removed.</p>');

const form = z.union([
  z.object({ press: z.uuid(), action: z.string().min(1).max(200) }),
  z.object({ press: z.uuid(), rerequest: z.literal('yes') }),
]);

export interface CheckRunPageOptions extends Pick<AuthRoutesOptions, 'sessionActor'> {
  store: Store;
  links: CheckRunLinks;
  /** Loaded when somebody who has signed in looks at one. */
  requests(): Promise<CheckRunRequests>;
}

export function addCheckRunPage(app: FastifyInstance, o: CheckRunPageOptions): void {
  type Named = FastifyRequest<{ Params: { name: string }; Querystring: { asked?: unknown } }>;

  /** What the link names; undefined for one that we did not make, and for what is there no more. */
  async function find({ params }: Named) {
    const run = o.links.read(params.name);
    if (run === undefined) return undefined;
    const { rows } = await o.store.tenant(run.organizationId, (tx) =>
      tx.query<{ data: unknown }>(`SELECT data FROM forge_record WHERE id = $1 AND kind = 'check_run'`, [run.recordId]),
    );
    const [found] = rows;
    return found && { run, check: checkRun.parse(found.data) };
  }

  async function viewerOf(request: Named, run: { organizationId: string; recordId: bigint }): Promise<Viewer> {
    const person = await o.sessionActor(request.headers);
    const isKnown = person !== undefined && !person.suspended;
    return {
      path: `/checks/${request.params.name}`,
      right: isKnown ? await (await o.requests()).rightOf(run, person) : { kind: 'unknown' },
      asked: request.query.asked !== undefined,
      press: randomUUID(),
    };
  }

  const refuse = (reply: FastifyReply, status: number, why: string) =>
    sendPage(reply.code(status).header('cache-control', 'no-store'), messagePage('Not asked', why));

  app.get('/checks/:name', async (request: Named, reply) => {
    const found = await find(request);
    if (found === undefined) return sendPage(reply.code(404), GONE);
    const viewer = await viewerOf(request, found.run);
    return sendPage(reply.header('cache-control', 'no-store'), checkRunPage(found.check, viewer));
  });

  app.post('/checks/:name', async (request: Named, reply) => {
    const found = await find(request);
    if (found === undefined) return sendPage(reply.code(404), GONE);
    const path = `/checks/${request.params.name}`;
    const person = await o.sessionActor(request.headers);
    if (person === undefined || person.suspended) return toSignIn(request, reply);
    const asked = form.safeParse(request.body);
    if (!asked.success) return refuse(reply, 400, 'Open the page again, and press one of its buttons.');
    const { press } = asked.data;
    const wanted = 'action' in asked.data ? { identifier: asked.data.action, press } : { press };
    const answer = await (await o.requests()).ask(found.run, person, wanted);
    if (answer.kind === 'refused') return refuse(reply, answer.status, answer.message);
    return reply.header('cache-control', 'no-store').redirect(`${path}?asked=yes`, 303);
  });
}
