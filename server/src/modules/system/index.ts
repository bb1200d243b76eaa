export { clientErrorsRest } from './client-errors.routes.ts';
export { copyDatabaseCommand } from './database.commands.ts';
export { createHealth, type Readiness } from './health.ts';
export { registerPage } from './page.routes.ts';
export { registerSystemRoutes } from './system.routes.ts';
