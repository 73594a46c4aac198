/** Mutations of a repository's refs and labels. */
import { GraphqlFailure } from '../failures.js';
import { inRepository, repositoryPlace } from '../node-ids.js';
import { given, text } from '../rest.js';
import { commit, plain, ref } from '../sources.js';
import type { Mutations } from './mutation.js';

/** A ref's place and its name as REST takes it: `heads/main`. */
function refAt(id: string) {
  const { place, id: name } = inRepository(id, 'Ref');
  return { place, name, where: { ...place, ref: name.replace(/^refs\//, '') } };
}

function labelAt(id: string) {
  const { place, detail } = inRepository(id, 'Label');
  if (detail === undefined)
    throw new GraphqlFailure('NOT_FOUND', 'This label id does not say its name; take `id` from a query.');
  return { place, where: { ...place, name: detail } };
}

interface LabelInput {
  name?: string | null;
  color?: string | null;
  description?: string | null;
}

export const repositoryMutations: Mutations = {
  createRef: {
    input: 'repositoryId: ID! name: String! oid: GitObjectID!',
    payload: 'ref: Ref',
    async run({ repositoryId, name, oid }: { repositoryId: string; name: string; oid: string }, ask) {
      const place = await repositoryPlace(ask, repositoryId);
      const rest = await ask.write('POST /repos/{owner}/{repo}/git/refs', { ...place, ref: name, sha: oid });
      return { ref: ref(ask, place, name, rest) };
    },
  },
  updateRef: {
    input: 'refId: ID! oid: GitObjectID! force: Boolean',
    payload: 'ref: Ref',
    async run({ refId, oid, force }: { refId: string; oid: string; force?: boolean | null }, ask) {
      const { place, name, where } = refAt(refId);
      const route = 'PATCH /repos/{owner}/{repo}/git/refs/{ref}';
      const rest = await ask.write(route, { ...where, sha: oid, force: force === true });
      return { ref: ref(ask, place, name, rest) };
    },
  },
  deleteRef: {
    input: 'refId: ID!',
    payload: '',
    async run({ refId }: { refId: string }, ask) {
      await ask.write('DELETE /repos/{owner}/{repo}/git/refs/{ref}', refAt(refId).where);
      return {};
    },
  },
  mergeBranch: {
    input: 'repositoryId: ID! base: String! head: String! commitMessage: String',
    payload: 'mergeCommit: Commit',
    async run(input: { repositoryId: string; base: string; head: string; commitMessage?: string | null }, ask) {
      const place = await repositoryPlace(ask, input.repositoryId);
      const { base, head, commitMessage } = input;
      const rest = await ask.write(
        'POST /repos/{owner}/{repo}/merges',
        given({ ...place, base, head, commit_message: commitMessage ?? undefined }),
      );
      const sha = text(rest.sha);
      return { mergeCommit: sha === undefined ? null : commit(ask, place, sha, rest) };
    },
  },
  createLabel: {
    input: 'repositoryId: ID! name: String! color: String! description: String',
    payload: 'label: Label',
    async run({ repositoryId, name, color, description }: LabelInput & { repositoryId: string }, ask) {
      const place = await repositoryPlace(ask, repositoryId);
      const wanted = given({ name, color, description: description ?? undefined });
      const rest = await ask.write('POST /repos/{owner}/{repo}/labels', { ...place, ...wanted });
      return { label: plain('Label', place, rest) };
    },
  },
  updateLabel: {
    input: 'id: ID! name: String color: String description: String',
    payload: 'label: Label',
    async run({ id, name, color, description }: LabelInput & { id: string }, ask) {
      const { place, where } = labelAt(id);
      const wanted = { new_name: name ?? undefined, color: color ?? undefined, description: description ?? undefined };
      const rest = await ask.write('PATCH /repos/{owner}/{repo}/labels/{name}', { ...where, ...given(wanted) });
      return { label: plain('Label', place, rest) };
    },
  },
  deleteLabel: {
    input: 'id: ID!',
    payload: '',
    async run({ id }: { id: string }, ask) {
      await ask.write('DELETE /repos/{owner}/{repo}/labels/{name}', labelAt(id).where);
      return {};
    },
  },
};
