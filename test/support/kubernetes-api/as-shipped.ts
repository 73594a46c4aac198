/** What we have an administrator apply: the role, and the policy over what it allows. */
import { admissionPolicy, clusterRole } from '../../../src/jobs/preview/kubernetes/manifests/access.js';

/** @param outside whether Forgeway runs outside of the cluster */
export const asShipped = (outside = false) => ({
  rules: clusterRole(outside).rules ?? [],
  policy: admissionPolicy({ namespace: 'forgeway', name: 'forgeway' }),
});
