import type { V1Namespace } from '@kubernetes/client-node';

/** What holds a namespace that is being removed, as its controller says; '' when it does not say. */
export function holdUp({ status }: Pick<V1Namespace, 'status'>): string {
  const stuck = (status?.conditions ?? []).filter(
    ({ type, status: is }) => is === 'True' && type.startsWith('Namespace') && !type.endsWith('DeletionSuccess'),
  );
  return stuck
    .map(({ message }) => message ?? '')
    .filter((message) => message !== '')
    .join('; ')
    .slice(0, 400);
}
