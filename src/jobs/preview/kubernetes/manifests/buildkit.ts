/**
 * The BuildKit daemon for an administrator to apply (ADR 31). Rootless BuildKit needs a seccomp and an AppArmor profile that
 * let it make user namespaces, which Pod Security `baseline` already refuses: so it stands in a namespace of its own, away
 * from every preview, and is reached by build pods alone, over mutual TLS.
 */
import type { V1Deployment, V1Namespace, V1PersistentVolumeClaim, V1Service } from '@kubernetes/client-node';
import type { NetworkPolicyManifest } from '../../../../effects/kubernetes/manifest.js';
import { LABEL, MANAGER } from './marks.js';

const PORT = 1_234;
const USER = 1_000;
/** Of the administrator: `ca.pem`, `cert.pem` and `key.pem`. */
const CERTIFICATES = 'buildkitd-certificates';
const labels = { app: 'buildkitd' };

/** @param trust whose builds come here: strangers' share a daemon with nobody else's */
export function buildkitManifests(o: { namespace: string; trust: 'trusted' | 'untrusted'; image: string }) {
  const { namespace, trust, image } = o;
  const metadata = { name: 'buildkitd', namespace, labels };
  const space: V1Namespace = {
    ...{ apiVersion: 'v1', kind: 'Namespace' },
    metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } },
  };
  const policy: NetworkPolicyManifest = {
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
    metadata,
    spec: {
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [
            {
              namespaceSelector: { matchLabels: { [LABEL.managedBy]: MANAGER, [LABEL.trust]: trust } },
              podSelector: { matchLabels: { [LABEL.part]: 'build' } },
            },
          ],
          ports: [{ protocol: 'TCP', port: PORT }],
        },
      ],
      egress: [
        {
          to: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }],
          ports: [
            { protocol: 'UDP', port: 53 },
            { protocol: 'TCP', port: 53 },
          ],
        },
        // What a Dockerfile downloads; never the cluster, its nodes, or metadata.
        {
          to: [
            {
              ipBlock: {
                cidr: '0.0.0.0/0',
                except: ['10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
              },
            },
          ],
        },
      ],
    },
  };
  const disk: V1PersistentVolumeClaim = {
    ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
    metadata,
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '50Gi' } } },
  };
  const deployment: V1Deployment = {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment' },
    metadata,
    spec: {
      replicas: 1,
      strategy: { type: 'Recreate' },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: { runAsNonRoot: true, runAsUser: USER, runAsGroup: USER, fsGroup: USER },
          containers: [
            {
              name: 'buildkitd',
              image,
              args: [
                ...[`--addr=tcp://0.0.0.0:${PORT}`, '--addr=unix:///run/user/1000/buildkit/buildkitd.sock'],
                ...[
                  '--tlscacert=/certificates/ca.pem',
                  '--tlscert=/certificates/cert.pem',
                  '--tlskey=/certificates/key.pem',
                ],
                '--oci-worker-no-process-sandbox',
              ],
              ports: [{ name: 'buildkit', containerPort: PORT, protocol: 'TCP' }],
              readinessProbe: { exec: { command: ['buildctl', 'debug', 'workers'] }, periodSeconds: 15 },
              // newuidmap is set-uid, so privileges are gained once: to make the namespaces that everything else runs in.
              securityContext: {
                seccompProfile: { type: 'Unconfined' },
                appArmorProfile: { type: 'Unconfined' },
                privileged: false,
              },
              resources: {
                limits: { cpu: '4', memory: '8Gi', 'ephemeral-storage': '20Gi' },
                requests: { cpu: '500m', memory: '2Gi', 'ephemeral-storage': '2Gi' },
              },
              volumeMounts: [
                { name: 'certificates', mountPath: '/certificates', readOnly: true },
                { name: 'cache', mountPath: '/home/user/.local/share/buildkit' },
              ],
            },
          ],
          volumes: [
            { name: 'certificates', secret: { secretName: CERTIFICATES, defaultMode: 0o440 } },
            { name: 'cache', persistentVolumeClaim: { claimName: 'buildkitd' } },
          ],
        },
      },
    },
  };
  const service: V1Service = {
    ...{ apiVersion: 'v1', kind: 'Service' },
    metadata,
    spec: {
      type: 'ClusterIP',
      selector: labels,
      ports: [{ name: 'buildkit', port: PORT, targetPort: 'buildkit', protocol: 'TCP' }],
    },
  };
  return [space, policy, disk, deployment, service];
}
