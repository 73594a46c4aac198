/** What the operator of a cluster says about the jobs that run there: plans, applies and agents. */
import { z } from 'zod';
import { IMAGE } from '../../../config/run-variables.js';
import { size } from '../containers.js';
import { parseCidr } from '../networks.js';

const label = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be the name of a Kubernetes object');
const cidrs = z
  .array(z.string().refine((text) => parseCidr(text) !== undefined, 'must be a network such as 10.20.0.0/16'))
  .max(100);
const pods = z.strictObject({ namespace: label, labels: z.record(z.string(), z.string()) });
const INTERNET = ['0.0.0.0/0', '::/0'];

export const jobSettings = z.strictObject({
  /** Where a pod finds Forgeway; default: PUBLIC_URL. */
  url: z.url({ protocol: /^https?$/, error: 'must be an address with http or https' }).optional(),
  /** The same as a rule of the network knows it, which has no names: Forgeway's pods, or networks of a proxy before it. */
  reach: z
    .strictObject({ pods: pods.optional(), networks: cidrs.default([]) })
    .default({ pods: { namespace: 'forgeway', labels: { 'app.kubernetes.io/name': 'forgeway' } }, networks: [] }),
  /** Carries what a job begins with and what it leaves: needs `sh`, `curl` and `tar`. */
  courierImage: z.string().regex(IMAGE, 'must be the name of an image').default('docker.io/curlimages/curl:8.14.1'),
  runs: z
    .strictObject({
      /** Where plans and applies may go beside Forgeway. */
      egress: cidrs.default(INTERNET),
      /** Plans of strangers, once somebody has approved the commit. */
      untrustedEgress: cidrs.default(INTERNET),
      cpu: size.shape.cpu.default('1'),
    })
    .prefault({}),
  agents: z
    .strictObject({
      /** Where agents may go beside Forgeway. A cluster's rules know no names of hosts: see `proxy`. */
      egress: cidrs.default([]),
      /** A proxy that lets an agent's hosts through and nothing else. */
      proxy: z
        .strictObject({
          address: z.string().regex(/^http:\/\/[a-z0-9.-]+:\d{1,5}$/, 'must be written as http://host:port'),
          to: pods,
        })
        .optional(),
      cpu: size.shape.cpu.default('2'),
    })
    .prefault({}),
});

export type JobSettings = z.output<typeof jobSettings>;
