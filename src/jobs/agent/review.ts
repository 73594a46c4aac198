/** An agent's remarks become a review on the forge, with comments on lines. */
import { z } from 'zod';
import type { AgentReview } from '../../effects/agents/review.js';
import { holdsLine } from '../../lib/diff-text.js';
import { refusalOf } from '../sync/denied.js';
import { eachItem, type ForgeOctokit } from '../sync/octokit.js';
import { quietWords } from './agent-words.js';
import type { SessionRecord } from './session-record.js';

const PULL = '/repos/{owner}/{repo}/pulls/{pull_number}';
const REVIEWS = `${PULL}/reviews`;
/** Of remarks that stand in the text: with summary and signature it stays below what forges take, 65,536 characters at least. */
const MOST_TEXT = 40_000;
const written = z.object({ body: z.string().nullish(), html_url: z.string().nullish() });

/** By which a review is found again when it is not known whether it was written. */
const signOf = (session: SessionRecord): string => `Session \`${session.id}\`, round ${session.round}.`;

async function find(octokit: ForgeOctokit, session: SessionRecord, signal: AbortSignal): Promise<string | undefined> {
  const { repository, number } = session;
  const place = { owner: repository.owner, repo: repository.name, pull_number: number };
  let found: string | undefined;
  await eachItem(octokit, `GET ${REVIEWS}`, place, signal, (item) => {
    const { success, data } = written.safeParse(item);
    if (!success || !data.body?.includes(signOf(session))) return false;
    found = data.html_url ?? '';
    return true;
  });
  return found;
}

type Remark = AgentReview['comments'][number];

const changedFile = z.object({ filename: z.string(), patch: z.string().optional() });
const lineComment = z.object({
  path: z.string(),
  line: z.number().nullish(),
  body: z.string(),
  original_commit_id: z.string().nullish(),
});

const sameRemark = ({ path, line, body }: { path: string; line?: number | null | undefined; body: string }): string =>
  JSON.stringify([path, line, body.trim()]);

/**
 * Those that stand on a line of the change, and the others, which every forge refuses. What an earlier try has said on its
 * line already, before the forge broke off, is in neither.
 */
async function sorted(
  octokit: ForgeOctokit,
  session: SessionRecord,
  remarks: readonly Remark[],
  signal: AbortSignal,
): Promise<{ onLines: Remark[]; elsewhere: Remark[] }> {
  if (remarks.length === 0) return { onLines: [], elsewhere: [] };
  const { repository, number, headSha } = session;
  const place = { owner: repository.owner, repo: repository.name, pull_number: number };
  const patches = new Map<string, string>();
  await eachItem(octokit, `GET ${PULL}/files`, place, signal, (item) => {
    const { filename, patch } = changedFile.parse(item);
    if (patch !== undefined) patches.set(filename, patch);
    return false;
  });
  const said = new Set<string>();
  await eachItem(octokit, `GET ${PULL}/comments`, place, signal, (item) => {
    const { success, data } = lineComment.safeParse(item);
    if (success && data.original_commit_id === headSha) said.add(sameRemark(data));
    return false;
  });
  const onLines: Remark[] = [];
  const elsewhere: Remark[] = [];
  for (const remark of remarks) {
    const patch = patches.get(remark.path);
    const isOnLine = patch !== undefined && holdsLine(patch, { side: 'RIGHT', line: remark.line });
    if (!isOnLine) elsewhere.push(remark);
    else if (!said.has(sameRemark(remark))) onLines.push(remark);
  }
  return { onLines, elsewhere };
}

/** Remarks that have no place on a line, as far as there is room for them: a forge refuses a text that is too long. */
function asText(remarks: readonly Remark[]): string {
  const items: string[] = [];
  let room = MOST_TEXT;
  for (const { path, line, body } of remarks) {
    const text = body.trim();
    const where = `- \`${path.replaceAll('`', "'")}\` line ${line}:`;
    const item = text.includes('\n') ? `${where}\n\n  ${text.replaceAll('\n', '\n  ')}` : `${where} ${text}`;
    room -= item.length + 1;
    if (room < 0) break;
    items.push(item);
  }
  const left = remarks.length - items.length;
  if (left > 0) items.push(`- And ${left} more, for which there is no room here.`);
  return items.join('\n');
}

/** Writes the review, once. Answers its address. */
export async function writeReview(
  octokit: ForgeOctokit,
  session: SessionRecord,
  review: AgentReview,
  signal: AbortSignal,
): Promise<string> {
  const known = await find(octokit, session, signal);
  if (known !== undefined) return known;
  const { repository, number, headSha, agent, requester, requestedBy } = session;
  const by = `Reviewed by the agent ${agent}, asked for by ${requester?.login ?? requestedBy}. ${signOf(session)}`;
  const quiet = (text: string) => quietWords(text, number);
  const remarks = review.comments.map((one) => ({ ...one, body: quiet(one.body) }));
  const nothing = remarks.length === 0 ? 'Nothing to remark.' : 'Remarks below.';
  const omitted = review.omitted === 0 ? [] : [`It had ${review.omitted} more remarks than a review may have.`];
  const { onLines, elsewhere } = await sorted(octokit, session, remarks, signal);
  const post = async (comments: readonly Remark[], asWords: readonly Remark[]): Promise<string> => {
    signal.throwIfAborted();
    const parts = [quiet(review.summary.trim()) || nothing, asText(asWords), ...omitted, `---\n${by}`];
    const { data } = await octokit.request(`POST ${REVIEWS}`, {
      ...{ owner: repository.owner, repo: repository.name, pull_number: number, event: 'COMMENT' },
      ...(headSha !== null && { commit_id: headSha }),
      body: parts.filter((part) => part !== '').join('\n\n'),
      comments: comments.map(({ path, line, body }) => ({ path, line, side: 'RIGHT', body })),
    });
    return written.parse(data).html_url ?? '';
  };
  try {
    return await post(onLines, elsewhere);
  } catch (error) {
    // The change is another since it was read, or the forge has its own mind about lines.
    if (refusalOf(error)?.status !== 422 || onLines.length === 0) throw error;
    return post([], [...onLines, ...elsewhere]);
  }
}
