/** What the operator of a cluster says about it. Everything that a repository may not say is said here. */
import { z } from 'zod';
import { type Size, size } from '../../../../effects/kubernetes/containers.js';
import { jobSettings } from '../../../../effects/kubernetes/job/settings.js';
import { parseCidr } from '../../../../effects/kubernetes/networks.js';
import { sharesCookies } from '../../../../lib/sites.js';
import { sizeClasses } from '../../preview-config.js';

const domain = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,180}[a-z0-9])?$/, 'must be a lower-case domain name');
const label = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be the name of a Kubernetes object');
const labels = z.record(z.string(), z.string());
const cidr = z.string().refine((text) => parseCidr(text) !== undefined, 'must be a network such as 10.20.0.0/16');
const cidrs = z.array(cidr).max(100);

/** Pods of another namespace that may come in, or are gone to. */
const pods = z.strictObject({ namespace: label, labels });
/** Where Forgeway's own pods are unless the operator says otherwise. */
const forgeway = { namespace: 'forgeway', labels: { 'app.kubernetes.io/name': 'forgeway' } };

const route = z.discriminatedUnion('kind', [
  /** Forgeway's own listener leads visitors in; nothing of the cluster does. */
  z.strictObject({ kind: z.literal('gateway'), from: pods }),
  z.strictObject({
    kind: z.literal('ingress'),
    className: label.optional(),
    from: pods,
    /** Forgeway's own listener, which alone leads into previews of private repositories. */
    gateway: pods.default(forgeway),
    /** Name of a Secret with a wildcard certificate, which the controller or a mirror of secrets puts into each namespace. */
    tlsSecret: label.optional(),
    annotations: labels.default({}),
  }),
  z.strictObject({
    kind: z.literal('http-route'),
    from: pods,
    gateway: pods.default(forgeway),
    parent: z.strictObject({ namespace: label, name: label, sectionName: label.optional() }),
  }),
]);

export type { Size };

const registry = z.discriminatedUnion('kind', [
  /** `ghcr.io/{owner}/{repo}`, or the same at another host: the forge's own registry. */
  z.strictObject({ kind: z.literal('forge'), host: z.string().regex(/^[a-z0-9.-]+(:\d{1,5})?$/) }),
  /** One registry for all; the repository's part is made unlike any other's. */
  z.strictObject({ kind: z.literal('shared'), prefix: z.string().regex(/^[a-z0-9.-]+(:\d{1,5})?(\/[a-z0-9._-]+)*$/) }),
]);

const buildkit = z.strictObject({
  /** `tcp://buildkitd.forgeway-build.svc:1234` */
  address: z.string().regex(/^tcp:\/\/[a-z0-9.-]+:\d{1,5}$/, 'must be written as tcp://host:port'),
  to: pods,
});

/** As a registry knows it: `docker.io/library/postgres:17`, with a digest or without. */
const image = z
  .string()
  .max(400)
  .regex(
    /^[a-z0-9][a-z0-9.-]*(:\d{1,5})?(\/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$/,
    'must be an image with its registry, such as docker.io/library/postgres:17',
  );
const isPinned = (name: string) => /@sha256:[0-9a-f]{64}$/.test(name);

export const clusterSettings = z
  .strictObject({
    domain,
    /** For strangers’ code that somebody approved: of another registrable domain, so that cookies stay apart. */
    untrustedDomain: domain.optional(),
    route,
    dns: z
      .strictObject({ namespace: label, labels, addresses: cidrs.default([]) })
      .default({ namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' }, addresses: [] }),
    egress: z
      .strictObject({
        /** Where previews may go, beside themselves and DNS. */
        trusted: cidrs.default([]),
        untrusted: cidrs.default([]),
        /** Where builds may go: the forge and registries. */
        build: cidrs.default(['0.0.0.0/0', '::/0']),
        /** Never, whatever stands above: the addresses of the API server belong here. */
        never: cidrs.default([]),
      })
      .default({ trusted: [], untrusted: [], build: ['0.0.0.0/0', '::/0'], never: [] }),
    registry: registry.default({ kind: 'forge', host: 'ghcr.io' }),
    build: z
      .strictObject({
        buildkit: buildkit.optional(),
        /** A daemon of its own for strangers' code, so that it shares neither processes nor a cache with anybody's. */
        untrustedBuildkit: buildkit.optional(),
        buildpack: z
          .strictObject({
            builder: image,
            runImage: image.optional(),
            user: z.int().min(1),
            group: z.int().min(1),
          })
          .optional(),
        gitImage: image.default('docker.io/alpine/git:2.49.1'),
        buildctlImage: image.default('docker.io/moby/buildkit:v0.25.1-rootless'),
        timeoutSeconds: z.int().min(60).max(14_400).default(1_200),
        cache: z.boolean().default(true),
        size: size.default({ cpu: '2', memory: '2Gi', disk: '10Gi' }),
      })
      .prefault({}),
    readyTimeoutSeconds: z.int().min(10).max(3_600).default(300),
    sizes: z.record(z.enum(sizeClasses), size).default({
      small: { cpu: '500m', memory: '512Mi', disk: '1Gi' },
      medium: { cpu: '1', memory: '1Gi', disk: '2Gi' },
      large: { cpu: '2', memory: '4Gi', disk: '4Gi' },
    }),
    /** What strangers’ code gets, whatever size it asks for. */
    untrustedSize: size.default({ cpu: '250m', memory: '256Mi', disk: '512Mi' }),
    /** Pods with their own user namespaces (`hostUsers: false`): Kubernetes 1.33 on, with a runtime that can. */
    userNamespaces: z.boolean().default(false),
    runtimeClass: label.optional(),
    untrustedRuntimeClass: label.optional(),
    databaseStorageClass: label.optional(),
    /** What a database is run from, by engine and version: `postgres:17`. Without a name here, the engine's own image. */
    databaseImages: z.record(z.string().regex(/^(postgres|mysql|redis):[\w.-]{1,40}$/), image).default({}),
    /** Images that are named here, and those of databases, are taken by their digest (`name@sha256:…`) alone. */
    pinnedImages: z.boolean().default(false),
    /** Plans, applies and agents that run on this cluster; see guides/kubernetes-previews.md. */
    jobs: jobSettings.prefault({}),
  })
  .superRefine(({ pinnedImages, build, databaseImages }, context) => {
    if (!pinnedImages) return;
    const { gitImage, buildctlImage, buildpack } = build;
    const named: Record<string, string | undefined> = {
      ...{ 'build.gitImage': gitImage, 'build.buildctlImage': buildctlImage },
      ...{ 'build.buildpack.builder': buildpack?.builder, 'build.buildpack.runImage': buildpack?.runImage },
      ...Object.fromEntries(Object.entries(databaseImages).map(([key, name]) => [`databaseImages.${key}`, name])),
    };
    for (const [path, name] of Object.entries(named))
      if (name !== undefined && !isPinned(name))
        context.addIssue({
          code: 'custom',
          path: path.split('.'),
          message: 'must end with @sha256: and its digest, since `pinnedImages` is on',
        });
  })
  .superRefine(({ domain: trusted, untrustedDomain }, context) => {
    if (untrustedDomain === undefined) return;
    if (sharesCookies(trusted, untrustedDomain))
      context.addIssue({
        code: 'custom',
        path: ['untrustedDomain'],
        message: 'must not lie below `domain` or above it',
      });
  });

export type ClusterSettings = z.output<typeof clusterSettings>;
