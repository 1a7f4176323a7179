/** The name of the program beside its mark. */
export function Wordmark() {
  return (
    <span className="wordmark">
      <img src="/favicon.svg" alt="" width="20" height="20" />
      halite
    </span>
  );
}
