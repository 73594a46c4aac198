/** Repositories, their forks, wikis, packages and releases. */
import type { JsonObject } from '../../forge.js';
import { userOrGhost } from '../../kit/shapes/account.js';
import { encodePath } from '../../kit/shapes/fields.js';
import { release } from '../../kit/shapes/release.js';
import { repository } from '../../kit/shapes/repository.js';
import { releaseInput } from '../convert/release.js';
import { time } from '../convert/time.js';
import { accountIfTold } from '../convert/user.js';
import { textAt } from './fields.js';
import { packageKind } from './package-kind.js';
import { located, part, type Translation } from './translation.js';

export const repositories = (t: Translation): JsonObject => ({ ...t.common });

/** `t.repository` is the old one, which the server calls the forkee; the new one stands in its place. */
export function forks(t: Translation): JsonObject {
  const fork = located(t.base, t.payload.repository);
  return {
    forkee: { ...repository(t.base, { ...fork, fork: true }), public: fork.visibility === 'public' },
    ...t.common,
  };
}

export function releases(t: Translation): JsonObject {
  const input = releaseInput(part(t.payload, 'release'), t.repository);
  const createdAt = input.createdAt ?? t.received;
  return {
    ...(t.event.action === 'edited' && { changes: {} }),
    release: release(t.base, t.owner, t.name, {
      ...input,
      author: input.author ?? accountIfTold(t.payload.sender),
      createdAt,
    }),
    ...t.common,
  };
}

/** One page a time, without its commit. */
export function wikis(t: Translation): JsonObject {
  const title = textAt(t.payload, 'page') ?? '';
  const pages = [
    {
      page_name: title,
      title,
      summary: null,
      action: t.payload.action === 'created' ? 'created' : 'edited',
      sha: '',
      html_url: `${t.repository.htmlUrl}/wiki/${encodePath(title)}`,
    },
  ];
  return { pages, ...t.common };
}

export function packages(t: Translation): JsonObject {
  const native = part(t.payload, 'package');
  const kind = textAt(native, 'type') ?? 'generic';
  const name = textAt(native, 'name') ?? '';
  const version = textAt(native, 'version') ?? '';
  const created = time(native.created_at) ?? t.received;
  const page = textAt(native, 'html_url') ?? t.repository.htmlUrl;
  const owner = accountIfTold(native.owner) ?? t.repository.owner;
  const type = packageKind(kind) ?? kind;
  return {
    package: {
      id: native.id,
      name,
      namespace: owner.login,
      description: null,
      ecosystem: type,
      package_type: type,
      html_url: page,
      created_at: created,
      updated_at: created,
      owner: userOrGhost(t.base, owner),
      package_version: {
        id: native.id,
        version,
        name: version,
        summary: '',
        description: '',
        html_url: page,
        metadata: [],
        package_files: [],
        installation_command: '',
        created_at: created,
        updated_at: created,
        author: userOrGhost(t.base, accountIfTold(native.creator)),
      },
      registry: {
        about_url: t.base.web,
        name: `${kind} registry`,
        type: kind,
        url: `${t.base.web}/api/packages/${encodePath(owner.login)}/${encodeURIComponent(kind)}`,
        vendor: t.base.web,
      },
    },
    ...t.common,
  };
}
