/** The toy's objects as inputs of GitHub's shapes. */
import type { ShapeBase } from '../../../src/forges/kit/shapes/base.js';
import type {
  AccountInput,
  CommentInput,
  CommitInput,
  CommitStatusInput,
  IssueInput,
  LabelInput,
  PullRequestInput,
  RepositoryInput,
} from '../../../src/forges/kit/shapes/inputs.js';
import type {
  NativeCommit,
  NativeMark,
  NativeMatter,
  NativePerson,
  NativeRemark,
  NativeShelf,
  NativeSticker,
} from './schema.js';

/** `sh-7001` is 7001. */
export const idOf = (key: string): number => Number(key.slice(key.indexOf('-') + 1));

export const account = (native: NativePerson): AccountInput => ({
  id: idOf(native.key),
  login: native.handle,
  type: native.robot ? 'Bot' : 'User',
});

const accountOrNone = (native: NativePerson | null): AccountInput | null => native && account(native);

export function shelf(base: ShapeBase, native: NativeShelf): RepositoryInput {
  const [owner = '', name = ''] = native.path.split('/');
  return {
    id: idOf(native.key),
    owner: { id: 0, login: owner },
    name,
    htmlUrl: `${base.web}/${native.path}`,
    description: native.about,
    visibility: native.secret ? 'private' : 'public',
    defaultBranch: native.trunk,
    topics: native.subjects,
  };
}

export const sticker = (native: NativeSticker): LabelInput => ({
  id: idOf(native.key),
  name: native.word,
  color: native.paint.replace('#', '').toLowerCase(),
});

const pageOf = (base: ShapeBase, native: NativeShelf, no: number) => `${base.web}/${native.path}/matters/${no}`;

const conversation = (base: ShapeBase, native: NativeMatter, on: NativeShelf) => ({
  id: idOf(native.key),
  number: native.no,
  htmlUrl: pageOf(base, on, native.no),
  title: native.heading,
  body: native.text,
  state: native.stage === 'open' ? ('open' as const) : ('closed' as const),
  author: accountOrNone(native.by),
  labels: native.stickers.map(sticker),
  assignees: native.helpers.map(account),
  createdAt: native.made,
  updatedAt: native.touched,
  closedAt: native.stage === 'open' ? null : native.touched,
});

export const issue = (base: ShapeBase, native: NativeMatter, on: NativeShelf): IssueInput => ({
  ...conversation(base, native, on),
  ...(native.sort === 'proposal' && { pullRequest: { htmlUrl: pageOf(base, on, native.no) } }),
});

export function proposal(base: ShapeBase, native: NativeMatter, on: NativeShelf): PullRequestInput {
  const repository = shelf(base, on);
  const end = (told: NativeMatter['from']) => ({ ref: told?.line ?? '', sha: told?.tip ?? '', repository });
  const merged = native.stage === 'merged';
  return {
    ...conversation(base, native, on),
    merged,
    mergedAt: merged ? native.touched : null,
    mergeCommitSha: native.landed ?? null,
    mergeable: native.stage === 'open' ? true : null,
    head: end(native.from),
    base: end(native.into),
  };
}

export const remark = (base: ShapeBase, native: NativeRemark, on: NativeShelf): CommentInput => ({
  id: idOf(native.key),
  number: native.no,
  htmlUrl: `${pageOf(base, on, native.no)}#${native.key}`,
  body: native.text,
  author: accountOrNone(native.by),
  createdAt: native.made,
  updatedAt: native.touched,
});

export const commit = (base: ShapeBase, native: NativeCommit, on: NativeShelf): CommitInput => ({
  sha: native.sha,
  message: native.says,
  htmlUrl: `${base.web}/${on.path}/commits/${native.sha}`,
  author: { name: native.by.name, email: native.by.mail, date: native.at },
  parents: native.before,
  added: native.paths.added,
  modified: native.paths.changed,
  removed: native.paths.gone,
});

const STATES = { amber: 'pending', green: 'success', red: 'failure' } as const;
const LIGHTS: Readonly<Record<string, NativeMark['light']>> = { pending: 'amber', success: 'green' };
export const lightOf = (state: unknown): NativeMark['light'] => LIGHTS[String(state)] ?? 'red';

export const mark = (native: NativeMark): CommitStatusInput => ({
  id: idOf(native.key),
  sha: native.tip,
  state: STATES[native.light],
  context: native.label,
  description: native.say,
  creator: accountOrNone(native.by),
  createdAt: native.made,
  updatedAt: native.made,
});
