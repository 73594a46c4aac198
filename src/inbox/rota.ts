/** Lanes that have something to run, in turn: organizations take turns, within one its repositories, within one its lanes. */
export interface RotaLane {
  /** Whose it is. */
  organizationId: string;
  repository: string;
}

export class Rota<L extends RotaLane> {
  readonly #organizations = new Map<string, Map<string, Set<L>>>();

  add(lane: L): void {
    const repositories = this.#organizations.get(lane.organizationId) ?? new Map<string, Set<L>>();
    const lanes = repositories.get(lane.repository) ?? new Set<L>();
    this.#organizations.set(lane.organizationId, repositories);
    repositories.set(lane.repository, lanes);
    lanes.add(lane);
  }

  delete(lane: L): void {
    const repositories = this.#organizations.get(lane.organizationId);
    const lanes = repositories?.get(lane.repository);
    lanes?.delete(lane);
    if (lanes?.size === 0) repositories?.delete(lane.repository);
    if (repositories?.size === 0) this.#organizations.delete(lane.organizationId);
  }

  get isEmpty(): boolean {
    return this.#organizations.size === 0;
  }

  clear(): void {
    this.#organizations.clear();
  }

  /** Takes out the next lane that may go; its organization and repository are last in turn from now on. */
  next(mayRepository: (repository: string) => boolean, mayLane: (lane: L) => boolean): L | undefined {
    for (const [organizationId, repositories] of this.#organizations) {
      for (const [repository, lanes] of repositories) {
        if (!mayRepository(repository)) continue;
        for (const lane of lanes) {
          if (!mayLane(lane)) continue;
          this.#organizations.delete(organizationId);
          this.#organizations.set(organizationId, repositories);
          repositories.delete(repository);
          repositories.set(repository, lanes);
          this.delete(lane);
          return lane;
        }
      }
    }
    return undefined;
  }
}
