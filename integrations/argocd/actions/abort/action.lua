-- Takes all traffic from the version in flight, which counts as failed.
local os = require("os")
local status = obj.status or {}
local version = status.candidate
if version == nil then
  error("no rollout is in flight", 0)
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["modelramp.io/request"] = "abort/" .. version.revision .. "/argocd-" .. os.time()
return obj
