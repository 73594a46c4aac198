/** An agent's remarks become a review on the forge, with comments on lines. */
import { z } from 'zod';
import type { AgentRemark, AgentReview } from '../../effects/agents/review.js';
import { markdownParts } from '../../lib/code-blocks.js';
import { holdsLine, holdsLines, numberAfter } from '../../lib/diff-text.js';
import { refusalOf } from '../sync/denied.js';
import { authorOf, type ForgeAuthor, isBy, ourIdentity } from '../sync/identity.js';
import { eachItem, type ForgeOctokit } from '../sync/octokit.js';
import { quietRemark, quietWords } from './agent-words.js';
import type { SessionRecord } from './session-record.js';

const PULL = '/repos/{owner}/{repo}/pulls/{pull_number}';
const REVIEWS = `${PULL}/reviews`;
/** Of remarks that stand in the text: with summary and signature it stays below what forges take, 65,536 characters at least. */
const MOST_TEXT = 40_000;
const written = z.object({ body: z.string().nullish(), html_url: z.string().nullish() });

/** By which a review is found again when it is not known whether it was written. */
const signOf = (session: SessionRecord): string => `Session \`${session.id}\`, round ${session.round}.`;

/** Anybody may write such a sign who has seen the last one: of those who did, we are asked for. */
async function find(octokit: ForgeOctokit, session: SessionRecord, signal: AbortSignal): Promise<string | undefined> {
  const { repository, number } = session;
  const place = { owner: repository.owner, repo: repository.name, pull_number: number };
  const signed: { author: ForgeAuthor; url: string }[] = [];
  await eachItem(octokit, `GET ${REVIEWS}`, place, signal, (item) => {
    const { success, data } = written.safeParse(item);
    if (success && data.body?.includes(signOf(session)))
      signed.push({ author: authorOf(item), url: data.html_url ?? '' });
    return false;
  });
  if (signed.length === 0) return undefined;
  const us = await ourIdentity(octokit, signal);
  return signed.find(({ author }) => isBy(us, author))?.url;
}

type Remark = AgentRemark;
type RemarkOnSide = Omit<Remark, 'side'> & { side?: 'LEFT' | 'RIGHT' };

const changedFile = z.object({ filename: z.string(), patch: z.string().optional() });
const lineComment = z.object({
  path: z.string(),
  line: z.number().nullish(),
  side: z.string().nullish(),
  body: z.string(),
  original_commit_id: z.string().nullish(),
});

/** Not by where it begins, which not every forge keeps. */
const sameRemark = ({ path, line, side, body }: Omit<z.output<typeof lineComment>, 'original_commit_id'>): string =>
  JSON.stringify([path, line, side === 'LEFT', body.trim()]);

/** Whether a comment can stand there: forges take lines that the difference shows, of several those of one part of it. */
function isShown(patch: string, { line, startLine, side = 'RIGHT' }: RemarkOnSide): boolean {
  if (line === undefined) return false;
  return startLine === undefined ? holdsLine(patch, { side, line }) : holdsLines(patch, { side, line }, startLine);
}

/**
 * Those that stand on a line of the change, and the others, which every forge refuses. What an earlier try has
 * said on its line already, before the forge broke off, is in neither.
 */
async function sorted(
  octokit: ForgeOctokit,
  session: SessionRecord,
  remarks: readonly Remark[],
  quietly: (remark: Remark) => Remark,
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
    if (patch === undefined || !isShown(patch, remark)) elsewhere.push(remark);
    else if (!said.has(sameRemark(quietly(asItIsNow(patch, remark))))) onLines.push(asItIsNow(patch, remark));
  }
  return { onLines, elsewhere };
}

/** A line that did not change is called by what it is now: not every forge keeps from which side it was meant. */
function asItIsNow(patch: string, remark: Remark): Remark {
  const { side, line, startLine, ...same } = remark;
  if (side !== 'LEFT' || line === undefined) return remark;
  const [from, to] = [numberAfter(patch, startLine ?? line), numberAfter(patch, line)];
  if (from === undefined || to === undefined) return remark;
  return { ...same, line: to, ...(startLine !== undefined && { startLine: from }) };
}

/** How a person calls the place. */
function placeName({ path, line, startLine, side, saidLine }: Remark): string {
  const file = `\`${path.replaceAll('`', "'")}\``;
  if (saidLine !== undefined) return `${file} line \`${saidLine.replaceAll('`', "'")}\``;
  if (line === undefined) return file;
  const lines = startLine === undefined ? `line ${line}` : `lines ${startLine}–${line}`;
  return `${file} ${lines}${side === 'LEFT' ? ' before the change' : ''}`;
}

/** Remarks that have no place on a line, as far as there is room for them: a forge refuses a text that is too long. */
function asText(remarks: readonly Remark[]): string {
  const items: string[] = [];
  let room = MOST_TEXT;
  for (const remark of remarks) {
    const text = remark.body.trim();
    const where = `- ${placeName(remark)}:`;
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
  const quietly = (one: Remark): Remark => ({ ...one, body: quietRemark(one.body, number) });
  const nothing = review.comments.length === 0 ? 'Nothing to remark.' : 'Remarks below.';
  const { omitted, unreadable } = review;
  const left = [
    ...(omitted === 0 ? [] : [`It had ${omitted} more remarks than a review may have.`]),
    ...(unreadable === 0 ? [] : [`Of its remarks ${unreadable} said nothing that can be read.`]),
  ];
  const { onLines, elsewhere } = await sorted(octokit, session, review.comments, quietly, signal);
  const post = async (comments: readonly Remark[], asWords: readonly Remark[]): Promise<string> => {
    signal.throwIfAborted();
    const summary = review.summary.trim();
    // One that leaves a block open turns prose and code of all that follow around.
    const isCertain = [summary, ...asWords.map(({ body }) => body)].every((text) => markdownParts(text) !== undefined);
    const quiet = (text: string) => (isCertain ? quietRemark(text, number) : quietWords(text, number));
    const words = asText(asWords.map((one) => ({ ...one, body: quiet(one.body) })));
    const parts = [quiet(summary) || nothing, words, ...left, `---\n${by}`];
    const { data } = await octokit.request(`POST ${REVIEWS}`, {
      ...{ owner: repository.owner, repo: repository.name, pull_number: number, event: 'COMMENT' },
      ...(headSha !== null && { commit_id: headSha }),
      body: parts.filter((part) => part !== '').join('\n\n'),
      comments: comments.map(quietly).map(({ path, line, startLine, side = 'RIGHT', body }: RemarkOnSide) => ({
        ...{ path, line, side, body },
        ...(startLine !== undefined && { start_line: startLine, start_side: side }),
      })),
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
