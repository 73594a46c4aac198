/** The Secrets of a preview, each as small and as short-lived as what it is for. */

import type { SecretManifest } from '../../../../effects/kubernetes/manifest.js';
import { dockerConfig, encoded } from '../../../../effects/kubernetes/registries.js';
import type { PreviewConfig } from '../../preview-config.js';
import { metadata } from './foundation.js';
import type { BuildInput, PlaceInput } from './input.js';
import { ANNOTATION, LABEL, type Part, placeKey } from './marks.js';
import { PULL_SECRET } from './pod.js';

/** On everything that belongs to one commit's place. */
export const placeMarks = (input: Pick<PlaceInput, 'placeId' | 'sha'>) => ({
  labels: { [LABEL.place]: placeKey(input.placeId) },
  annotations: { [ANNOTATION.placeId]: input.placeId, [ANNOTATION.sha]: input.sha },
});

function secret(
  input: PlaceInput,
  name: string,
  data: Record<string, string>,
  o: { part?: Part; type?: string; ofPlace: boolean },
): SecretManifest {
  const marks = o.ofPlace ? placeMarks(input) : {};
  return {
    ...{ apiVersion: 'v1', kind: 'Secret', type: o.type ?? 'Opaque', immutable: false },
    metadata: metadata(input.frame, name, { ...marks, ...(o.part === undefined ? {} : { part: o.part }) }),
    data: encoded(data),
  };
}

/** Always there, also without a credential in it, so that pods can name it. */
export const pullSecret = (input: PlaceInput): SecretManifest =>
  secret(
    input,
    PULL_SECRET,
    { '.dockerconfigjson': dockerConfig(input.pull) },
    { type: 'kubernetes.io/dockerconfigjson', ofPlace: false },
  );

export const environmentName = (input: Pick<PlaceInput, 'placeId'>, service: string) =>
  `env-${service}-${placeKey(input.placeId)}`;

/** The values of the names that a service asks for; undefined when it gets none. */
export function environmentSecret(
  input: PlaceInput,
  service: string,
  names: readonly string[],
): SecretManifest | undefined {
  if (!input.frame.trusted) return undefined;
  const known = names.filter((name) => input.secrets[name] !== undefined);
  if (known.length === 0) return undefined;
  const data = Object.fromEntries(known.map((name) => [name, input.secrets[name] ?? '']));
  return secret(input, environmentName(input, service), data, { part: 'service', ofPlace: true });
}

export const DATABASE_SECRET = 'database';

/**
 * To be created and never applied: whoever finds one leaves it, with the password that the database was made with. Nobody
 * needs to read it, since pods are given its values by reference.
 */
export const databaseSecret = (input: PlaceInput, data: Record<string, string>): SecretManifest =>
  secret(input, DATABASE_SECRET, data, { part: 'database', ofPlace: false });

export const gitSecretName = (input: Pick<PlaceInput, 'placeId'>) => `build-git-${placeKey(input.placeId)}`;
export const buildSecretName = (input: Pick<PlaceInput, 'placeId'>) => `build-${placeKey(input.placeId)}`;

/** What a place has of them. They are deleted by these names, since nobody of ours may list secrets (see access.ts). */
export const placeSecretNames = (config: PreviewConfig, placeId: string): string[] => [
  ...[gitSecretName({ placeId }), buildSecretName({ placeId })],
  ...config.services.map(({ name }) => environmentName({ placeId }, name)),
];

/**
 * Two secrets for a build, to be deleted when it has ended: the forge's credential, which only the container that fetches
 * can read, and what the image is pushed with.
 */
export function buildSecrets(input: BuildInput): SecretManifest[] {
  const { source, push, buildkitTls } = input;
  const credential = source.credential;
  const address = new URL(source.url);
  if (credential !== undefined) {
    address.username = encodeURIComponent(credential.username);
    address.password = encodeURIComponent(credential.password);
  }
  const line =
    credential === undefined ? '' : `${address.protocol}//${address.username}:${address.password}@${address.host}\n`;
  const tls: Record<string, string> =
    buildkitTls === undefined
      ? {}
      : { 'ca.pem': buildkitTls.ca, 'cert.pem': buildkitTls.certificate, 'key.pem': buildkitTls.key };
  const o = { part: 'build', ofPlace: true } as const;
  return [
    secret(input, gitSecretName(input), { credentials: line }, o),
    secret(input, buildSecretName(input), { 'config.json': dockerConfig(push), ...tls }, o),
  ];
}
