/** Drift repair of a datapath, from its first comparison on, and what it reports. */
import type { Datapath, Drift, DriftRepair, DriftReport } from '#ipamd/datapath/datapath.ts';
import { until } from '#test/support/until.ts';

export class Repairs implements AsyncDisposable {
  readonly #repair: DriftRepair;
  readonly #reports: DriftReport[];

  private constructor(repair: DriftRepair, reports: DriftReport[]) {
    this.#repair = repair;
    this.#reports = reports;
  }

  static async begin(datapath: Datapath): Promise<Repairs> {
    const reports: DriftReport[] = [];
    const repair = datapath.repairDrift?.((report) => reports.push(report));
    if (repair === undefined) throw new Error('this datapath repairs nothing');
    await until('the first comparison is over', 5000, () => repair.comparisons > 0);
    return new Repairs(repair, reports);
  }

  /** What was found since the beginning, or since it was last forgotten. */
  get drifts(): readonly Drift[] {
    return this.#reports.flatMap(({ drifts }) => drifts);
  }

  forget(): void {
    this.#reports.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#repair[Symbol.asyncDispose]();
  }
}
