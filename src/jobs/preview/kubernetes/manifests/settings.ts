/** What the operator of a cluster says about it. Everything that a repository may not say is said here. */
import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { sizeClasses } from '../../preview-config.js';

const domain = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,180}[a-z0-9])?$/, 'must be a lower-case domain name');
const label = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be the name of a Kubernetes object');
const labels = z.record(z.string(), z.string());
const quantity = z.string().regex(/^\d{1,9}(m|Ki|Mi|Gi)?$/, 'must be a quantity such as 500m or 512Mi');
const memory = quantity.refine((text) => /(Ki|Mi|Gi)$/.test(text), 'must have a unit such as Mi');

export interface Cidr {
  address: string;
  bits: number;
  family: 'ipv4' | 'ipv6';
}

/** Undefined when it is none, or says bits beyond its own length. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', bitsText = ''] = text.split('/');
  const version = isIP(address);
  if (version === 0 || !/^\d{1,3}$/.test(bitsText) || text.split('/').length !== 2) return undefined;
  const bits = Number(bitsText);
  return bits > (version === 4 ? 32 : 128) ? undefined : { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' };
}

/** Whether every address of `inner` is one of `outer`. */
export function cidrContains(outer: Cidr, inner: Cidr): boolean {
  if (outer.family !== inner.family || outer.bits > inner.bits) return false;
  const list = new BlockList();
  list.addSubnet(outer.address, outer.bits, outer.family);
  return list.check(inner.address, inner.family);
}

const cidr = z.string().refine((text) => parseCidr(text) !== undefined, 'must be a network such as 10.20.0.0/16');
const cidrs = z.array(cidr).max(100);

/** Pods of another namespace that may come in, or are gone to. */
const pods = z.strictObject({ namespace: label, labels });

const route = z.discriminatedUnion('kind', [
  /** Forgeway's own listener leads visitors in; nothing of the cluster does. */
  z.strictObject({ kind: z.literal('gateway'), from: pods }),
  z.strictObject({
    kind: z.literal('ingress'),
    className: label.optional(),
    from: pods,
    /** Name of a Secret with a wildcard certificate, which the controller or a mirror of secrets puts into each namespace. */
    tlsSecret: label.optional(),
    annotations: labels.default({}),
  }),
  z.strictObject({
    kind: z.literal('http-route'),
    from: pods,
    parent: z.strictObject({ namespace: label, name: label, sectionName: label.optional() }),
  }),
]);

const size = z.strictObject({ cpu: quantity, memory, disk: memory });
export type Size = z.output<typeof size>;

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
            builder: z.string(),
            runImage: z.string().optional(),
            user: z.int().min(1),
            group: z.int().min(1),
          })
          .optional(),
        gitImage: z.string().default('docker.io/alpine/git:2.49.1'),
        buildctlImage: z.string().default('docker.io/moby/buildkit:v0.25.1-rootless'),
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
  })
  .superRefine(({ domain: trusted, untrustedDomain }, context) => {
    if (untrustedDomain === undefined) return;
    const related = (a: string, b: string) => a === b || a.endsWith(`.${b}`);
    if (related(trusted, untrustedDomain) || related(untrustedDomain, trusted))
      context.addIssue({
        code: 'custom',
        path: ['untrustedDomain'],
        message: 'must not lie below `domain` or above it',
      });
  });

export type ClusterSettings = z.output<typeof clusterSettings>;
