/** What a client asks first: which groups, versions and kinds there are. */
import { type Fields, groupVersionOf, resources } from './objects.js';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

const groups = [...new Set(resources.map(({ group }) => group))].filter((group) => group !== '');

function listOf(groupVersion: string): Fields {
  return {
    ...{ kind: 'APIResourceList', apiVersion: 'v1', groupVersion },
    resources: [
      ...resources
        .filter((one) => groupVersionOf(one) === groupVersion)
        .map(({ plural, singular, kind, namespaced, short }) => ({
          ...{ name: plural, singularName: singular, namespaced, kind, verbs: VERBS },
          ...(short.length > 0 && { shortNames: short }),
        })),
      ...(groupVersion === 'v1'
        ? [{ name: 'pods/log', singularName: '', namespaced: true, kind: 'Pod', verbs: ['get'] }]
        : []),
    ],
  };
}

function groupOf(name: string): Fields {
  const versions = [...new Set(resources.filter(({ group }) => group === name).map((one) => one.version))].map(
    (version) => ({
      ...{ groupVersion: `${name}/${version}`, version },
    }),
  );
  return { name, versions, preferredVersion: versions[0] };
}

/** Undefined for every other path. */
export function discovery(path: string, version = 'v1.32.0'): Fields | undefined {
  const [major, minor] = version.slice(1).split('.');
  if (path === '/version') return { major, minor, gitVersion: version, platform: 'linux/amd64' };
  if (path === '/api') return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
  if (path === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupOf) };
  const match = /^\/apis?\/([^/]+(?:\/[^/]+)?)$/.exec(path);
  const named = match?.[1];
  if (named === undefined) return undefined;
  if (resources.some((one) => groupVersionOf(one) === named)) return listOf(named);
  return groups.includes(named) ? { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(named) } : undefined;
}
