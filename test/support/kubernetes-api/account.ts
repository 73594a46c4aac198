/**
 * Forgeway's account on a real cluster, with what `forgeway clusters access` gives it and no more: what an administrator's account may do
 * proves nothing about the role. Nobody signs in as it: whoever tests asks in its name, which takes an administrator.
 */
import { randomBytes } from 'node:crypto';
import type { V1PolicyRule, V1ValidatingAdmissionPolicy } from '@kubernetes/client-node';
import {
  admissionPolicy,
  admissionPolicyBinding,
  clusterRole,
  clusterRoleBinding,
} from '../../../src/jobs/preview/kubernetes/manifests/access.js';
import type { Call } from './scenarios.js';

export interface TestAccount {
  /** The user to ask as. */
  user: string;
  /** What it may do from now on. An API server takes a moment to know. */
  allow(rules: readonly V1PolicyRule[]): Promise<void>;
  /** Whose writes the admission policy looks at. @returns false: this API server knows no such policies */
  limit(for_: 'it' | 'another' | 'nobody'): Promise<boolean>;
  remove(): Promise<void>;
}

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const MERGE = 'application/merge-patch+json';
const GONE = 404;

/** @param call as an administrator */
export async function makeAccount(call: Call, rules: readonly V1PolicyRule[]): Promise<TestAccount> {
  const user = `forgeway-test-${randomBytes(4).toString('hex')}`;
  const made: string[] = [];

  async function send(method: string, path: string, body?: object, type?: string): Promise<boolean> {
    const answer = await call(method, path, { ...(body && { body }), ...(type && { type }) });
    if (answer.status < 300) return true;
    // Either what is removed is gone, or the kind of it is younger than the server.
    if (answer.status === GONE) return false;
    throw new Error(`${method} ${path}: ${answer.status} ${String(answer.body.message)}`);
  }
  async function make(collection: string, object: { metadata?: object; spec?: object }): Promise<boolean> {
    const named = { ...object, metadata: { ...object.metadata, name: user } };
    const isMade = await send('POST', collection, named);
    if (isMade) made.unshift(`${collection}/${user}`);
    return isMade;
  }
  async function unmake(collection: string): Promise<void> {
    const path = `${collection}/${user}`;
    if (!made.includes(path)) return;
    await send('DELETE', path);
    made.splice(made.indexOf(path), 1);
  }
  const apply = async (policy: V1ValidatingAdmissionPolicy): Promise<boolean> => {
    if (!(await make(`${ADMISSION}/validatingadmissionpolicies`, policy))) return false;
    const binding = admissionPolicyBinding();
    const spec = { ...binding.spec, policyName: user };
    return make(`${ADMISSION}/validatingadmissionpolicybindings`, { ...binding, spec });
  };

  await make(`${RBAC}/clusterroles`, { ...clusterRole(true), rules: [...rules] } as object);
  const binding = clusterRoleBinding({ user });
  await make(`${RBAC}/clusterrolebindings`, { ...binding, roleRef: { ...binding.roleRef, name: user } } as object);
  return {
    user,
    async allow(next) {
      await send('PATCH', `${RBAC}/clusterroles/${user}`, { rules: next }, MERGE);
    },
    async limit(for_) {
      await unmake(`${ADMISSION}/validatingadmissionpolicybindings`);
      await unmake(`${ADMISSION}/validatingadmissionpolicies`);
      if (for_ === 'nobody') return true;
      return apply(admissionPolicy({ user: for_ === 'it' ? user : `${user}-another` }));
    },
    async remove() {
      for (const path of made.splice(0)) await send('DELETE', path);
    },
  };
}
