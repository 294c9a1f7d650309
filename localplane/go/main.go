// Command controlplane is a whole Kubernetes control plane in one binary: the first argument says which component to be.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	// Registered by side effect, as the upstream main packages do: JSON logs, client and version metrics.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

var components = map[string]func() *cobra.Command{
	"apiserver":          apiserver.NewAPIServerCommand,
	"controller-manager": controllermanager.NewControllerManagerCommand,
	"scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
}

func main() {
	if len(os.Args) < 2 {
		exitUsage("no component named")
	}
	name := os.Args[1]
	// Each component parses os.Args itself, so it must not see the word that chose it.
	os.Args = append([]string{name}, os.Args[2:]...)
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
	case "certificates":
		if len(os.Args) != 3 {
			exitUsage("certificates needs a folder and the address of the API server")
		}
		if err := writeCertificates(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "controlplane:", err)
			os.Exit(1)
		}
	default:
		command, known := components[name]
		if !known {
			exitUsage(fmt.Sprintf("unknown component %q", name))
		}
		os.Exit(cli.Run(command()))
	}
}

func exitUsage(problem string) {
	fmt.Fprintf(os.Stderr, "controlplane: %s; wished: etcd, apiserver, controller-manager, scheduler, kubectl or certificates\n", problem)
	os.Exit(2)
}
