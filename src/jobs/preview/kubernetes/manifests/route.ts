/** The way in for visitors: an Ingress or an HTTPRoute per public service, or nothing where Forgeway's own listener leads in. */

import type { HttpRouteManifest, IngressManifest } from '../../../../effects/kubernetes/manifest.js';
import { metadata } from './foundation.js';
import { hostLabel, hostOf } from './hosts.js';
import type { PlaceInput } from './input.js';
import { ANNOTATION, LABEL } from './marks.js';
import { workloadName } from './workload.js';

/** None of a private one. To the services of this place; named alike for every place, so that the next one takes their visitors over. */
export function routes(input: PlaceInput): (IngressManifest | HttpRouteManifest)[] {
  const { frame, placeId, sha } = input;
  const { route } = frame.settings;
  if (route.kind === 'gateway' || frame.private) return [];
  return frame.config.services
    .filter((service) => service.public)
    .map((service) => {
      const host = hostOf(frame, service.name);
      const backend = workloadName(service.name, placeId);
      const marks = {
        labels: { [LABEL.service]: service.name },
        annotations: { [ANNOTATION.placeId]: placeId, [ANNOTATION.sha]: sha },
      };
      const marked = metadata(frame, hostLabel(frame, service.name), { part: 'service', ...marks });
      if (route.kind === 'http-route') {
        const { namespace, name, sectionName } = route.parent;
        return {
          ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute' },
          metadata: marked,
          spec: {
            parentRefs: [{ name, namespace, ...(sectionName === undefined ? {} : { sectionName }) }],
            hostnames: [host],
            rules: [{ backendRefs: [{ name: backend, port: service.port }] }],
          },
        } satisfies HttpRouteManifest;
      }
      return {
        ...{ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' },
        metadata: { ...marked, annotations: { ...route.annotations, ...marked.annotations } },
        spec: {
          ...(route.className === undefined ? {} : { ingressClassName: route.className }),
          ...(route.tlsSecret === undefined ? {} : { tls: [{ hosts: [host], secretName: route.tlsSecret }] }),
          rules: [
            {
              host,
              http: {
                paths: [
                  {
                    path: '/',
                    pathType: 'Prefix',
                    backend: { service: { name: backend, port: { number: service.port } } },
                  },
                ],
              },
            },
          ],
        },
      } satisfies IngressManifest;
    });
}
