/** Releases. */
import { connection } from '../connection.js';
import { wholeListing } from '../listing.js';
import { globalId } from '../node-ids.js';
import { objects, text } from '../rest.js';
import { account, as, commit, plain, ref, repository, type Source } from '../sources.js';
import { type Area, connectionTypes, PAGES, type Pages } from './area.js';

const id = (source: Source) => globalId(source.__typename, source.rest, `${source.owner}/${source.repo}`);

export const releases: Area = {
  sdl: `
    enum ReleaseOrderField { CREATED_AT }
    input ReleaseOrder { field: ReleaseOrderField! direction: OrderDirection! }

    type Release implements Node & UniformResourceLocatable {
      id: ID! databaseId: BigInt name: String tagName: String! tag: Ref tagCommit: Commit description: String
      isDraft: Boolean! isPrerelease: Boolean! createdAt: DateTime! publishedAt: DateTime url: URI! author: User
      repository: Repository!
      releaseAssets(name: String ${PAGES}): ReleaseAssetConnection!
    }
    type ReleaseAsset implements Node {
      id: ID! name: String! size: Int! contentType: String! downloadUrl: URI! downloadCount: Int! createdAt: DateTime!
    }
    ${connectionTypes('Release')}
    ${connectionTypes('ReleaseAsset')}`,
  fields: {
    Release: {
      id,
      databaseId: as('id'),
      name: as('name'),
      tagName: as('tag_name'),
      tag: (source: Source, _args: unknown, ask) =>
        source.rest.draft === true ? null : ref(ask, source, `refs/tags/${text(source.rest.tag_name) ?? ''}`),
      tagCommit: async (source: Source, _args: unknown, ask) => {
        if (source.rest.draft === true) return null;
        const { owner, repo } = source;
        const rest = await ask.find('GET /repos/{owner}/{repo}/commits/{ref}', {
          owner,
          repo,
          ref: source.rest.tag_name,
        });
        return rest === undefined ? null : commit(ask, source, text(rest.sha) ?? '', rest);
      },
      description: as('body'),
      isDraft: (source: Source) => source.rest.draft === true,
      isPrerelease: (source: Source) => source.rest.prerelease === true,
      createdAt: as('created_at'),
      publishedAt: as('published_at'),
      url: as('html_url'),
      author: (source: Source, _args: unknown, ask) => {
        const author = account(ask, source.rest.author);
        return author?.__typename === 'User' ? author : null;
      },
      repository: (source: Source, _args: unknown, ask) => repository(ask, source),
      releaseAssets: (source: Source, args: Pages & { name?: string | null }) => {
        const { name } = args;
        const list = wholeListing(async () =>
          objects(source.rest.assets).filter((asset) => !name || asset.name === name),
        );
        return connection('releaseAssets', args, list, (rest) => plain('ReleaseAsset', source, rest));
      },
    },
    ReleaseAsset: {
      id,
      name: as('name'),
      size: as('size'),
      contentType: as('content_type'),
      downloadUrl: as('browser_download_url'),
      downloadCount: as('download_count'),
      createdAt: as('created_at'),
    },
  },
};
