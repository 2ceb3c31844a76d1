/** A server that stops by itself is started again, but not in a loop. */
export class Crashes {
  private times: number[] = [];

  public constructor(
    private readonly most = 4,
    private readonly within = 3 * 60_000,
    private readonly now: () => number = Date.now,
  ) {}

  /** It stopped. Whether to start it again. */
  public again(): boolean {
    const time = this.now();
    this.times = [...this.times.filter((earlier) => time - earlier <= this.within), time];
    return this.times.length <= this.most;
  }

  public get count(): number {
    return this.times.length;
  }

  /** The user wants a fresh start. */
  public forget(): void {
    this.times = [];
  }
}
