-- Begins the version that failed again, or its evaluation that has no result.
local os = require("os")
local status = obj.status or {}
local version = status.candidate or status.deferred
local revision = status.failedRevision or (version ~= nil and version.revision or nil)
if revision == nil then
  error("nothing has failed", 0)
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["modelramp.io/request"] = "retry/" .. revision .. "/argocd-" .. os.time()
return obj
