/** How many handlers of one repository and of one app run at a time, so that slow ones leave room for the others. */
import { repositoryOf } from './lane.js';

interface Run {
  lane: string;
  app: string;
}

export class Slots {
  readonly #ofRepository = new Map<string, number>();
  readonly #ofApp = new Map<string, number>();
  /** For one repository, or one app, while others wait. */
  readonly #half: number;
  /** For one repository while no other waits: the last places stay free for the one that comes next. */
  readonly #most: number;

  constructor(concurrency: number, running: Iterable<Run>) {
    this.#half = Math.ceil(concurrency / 2);
    this.#most = concurrency - Math.floor(concurrency / 8);
    for (const run of running) this.take(run);
  }

  take({ lane, app }: Run): void {
    const repository = repositoryOf(lane);
    this.#ofRepository.set(repository, (this.#ofRepository.get(repository) ?? 0) + 1);
    this.#ofApp.set(app, (this.#ofApp.get(app) ?? 0) + 1);
  }

  hasBoth({ lane, app }: Run, othersWait: boolean): boolean {
    return this.hasRepository(repositoryOf(lane), othersWait) && this.hasApp(app, othersWait);
  }

  /** `othersWait`: whether to ask for the share that is left to one while others want to run too. */
  hasRepository(repository: string, othersWait: boolean): boolean {
    return (this.#ofRepository.get(repository) ?? 0) < (othersWait ? this.#half : this.#most);
  }

  hasApp(app: string, othersWait: boolean): boolean {
    return !othersWait || (this.#ofApp.get(app) ?? 0) < this.#half;
  }
}
