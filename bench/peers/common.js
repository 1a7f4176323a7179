// What both servers have in common: the database, and as many processes as are asked for.
import cluster from "node:cluster";

const number = (name, otherwise) => Number(process.env[name] ?? otherwise);

const processes = number("PROCESSES", 1);

export const database = {
  url: process.env.DATABASE_URL,
  pool: Math.max(1, Math.floor(number("POOL", 24) / processes)),
};

// serve calls start(port) in each process. With more than one they share the port.
export function serve(start) {
  if (processes > 1 && cluster.isPrimary) {
    for (let i = 0; i < processes; i++) cluster.fork();
    cluster.on("exit", (_, code) => process.exit(code ?? 1));
    for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
    return;
  }
  start(number("PORT", 0)).catch((err) => {
    console.error(err);
    process.exit(1);
  });
}
