/** Why a preview cannot be on this cluster, as one line for a person. Undefined: it can. */
import type { PreviewFrame } from './input.js';

export function whyNot({
  config,
  settings,
  trusted,
}: Pick<PreviewFrame, 'config' | 'settings' | 'trusted'>): string | undefined {
  if (!trusted && settings.untrustedDomain === undefined)
    return 'Strangers’ code needs a domain of its own, and the operator has named none (untrustedDomain)';
  const { pinnedImages, databaseImages } = settings;
  const { database } = config;
  const wanted = database === undefined ? undefined : `${database.engine}:${database.version}`;
  if (pinnedImages && wanted !== undefined && databaseImages[wanted] === undefined)
    return `The operator takes images by their digest alone, and has named none for ${wanted} (databaseImages)`;
  const { buildkit, untrustedBuildkit, buildpack } = settings.build;
  for (const { name, source } of config.services) {
    if (source.kind === 'commands')
      return `\`start\` of ${name} needs PREVIEW_DRIVER=process; on Kubernetes say \`build: {dockerfile: Dockerfile}\` or \`image:\``;
    if (source.kind === 'detect')
      return 'There is no Dockerfile. Add one, or say `build: {dockerfile: PATH}`, `build: {buildpack: true}` or `image:` in .forgeway.yml';
    if (source.kind === 'buildpack' && buildpack === undefined)
      return 'Buildpacks are not offered here: the operator has named no builder. Add a Dockerfile';
    if (source.kind === 'dockerfile' && (trusted ? buildkit : untrustedBuildkit) === undefined)
      return trusted
        ? 'Images cannot be built here: the operator has named no BuildKit daemon'
        : 'Strangers’ images cannot be built here: the operator has named no BuildKit daemon for them';
  }
  return undefined;
}
